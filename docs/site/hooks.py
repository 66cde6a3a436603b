"""Build the site from docs/ and benchmarks/results/: links between the two hold in the repository and on the site."""

from __future__ import annotations

import posixpath
import re
from html import unescape
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

RESULTS = Path("benchmarks/results")
"""In the repository; on the site a folder of the same name beside the pages."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add every kept result as a page or a file of the site."""
    root = Path(config.config_file_path).parent
    for path in sorted((root / RESULTS).iterdir()):
        files.append(File.generated(config, f"{RESULTS.as_posix()}/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Point links to results at their place on the site, `../benchmarks/` being one folder nearer there."""
    folder = posixpath.dirname(page.file.src_uri)
    place = posixpath.relpath(RESULTS.as_posix(), folder or ".")
    return re.sub(rf"\]\((?:\.\./)+{RESULTS.as_posix()}/", f"]({place}/", markdown)


def on_page_content(html: str, *, page: Any, **_: object) -> str:
    """Write formulas as MathML, which browsers show without scripts; in notebooks they are still between dollars."""
    if page.file.src_uri.endswith(".ipynb"):
        html = re.sub(r"\$\$(.+?)\$\$", lambda m: _mathml(m[1], "block"), html, flags=re.DOTALL)
        html = re.sub(r"\$(\S.*?)\$", lambda m: _mathml(m[1], "inline"), html)
    html = re.sub(r'<span class="arithmatex">\\\((.*?)\\\)</span>', lambda m: _mathml(m[1], "inline"), html, flags=re.S)
    return re.sub(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', lambda m: _mathml(m[1], "block"), html, flags=re.S)


def _mathml(formula: str, display: str) -> str:
    return convert(unescape(formula).replace("{aligned}", "{split}").strip(), display=display)  # one it knows
