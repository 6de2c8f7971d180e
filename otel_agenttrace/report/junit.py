"""Tell what was found to what shows test results: JUnit's XML. Checked files in, a document out.

A file is a suite, and each rule it is held to a test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.checks.files import CheckedFile
from otel_agenttrace.report.text import escaped_lines

__all__ = ["junit_xml"]

_NOT_XML: Final = re.compile("[\ufffe\uffff]")
"""What XML has no place for, besides what `escaped_lines` escapes."""


def junit_xml(files: Sequence[CheckedFile]) -> bytes:
    """Return the document, in UTF-8. A file that cannot be read is a test with an error."""
    suites = Element("testsuites", name="otel-agenttrace check")
    for file in files:
        _suite(suites, file)
    for count in ("tests", "failures", "errors"):
        suites.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    indent(suites)
    return tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n"


def _suite(suites: Element, file: CheckedFile) -> None:
    name = _text(file.path)
    suite = SubElement(suites, "testsuite", name=name)
    if file.problem:
        case = SubElement(suite, "testcase", classname=name, name="readable")
        SubElement(case, "error", message=_first(file.problem)).text = _text(file.problem)
    else:
        for rule in file.rules:
            case = SubElement(suite, "testcase", classname=name, name=_text(rule))
            _add_failure(case, [finding for finding in file.findings if finding.rule == rule])
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))


def _add_failure(case: Element, findings: Sequence[Finding]) -> None:
    if findings:
        told = "\n".join(finding.message for finding in findings)
        failure = SubElement(case, "failure", message=_first(told), type=findings[0].severity)
        failure.text = _text(told)


def _first(text: str) -> str:
    return _text(text.partition("\n")[0])


def _text(text: str) -> str:
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped_lines(text))
