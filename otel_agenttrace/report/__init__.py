"""Facts as people and programs read them. Traces and counts in, text, trees and JSON out; nothing is computed here."""
