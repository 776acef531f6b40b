"""What the pages link to outside of docs/, made part of the site.

On GitHub a link to `../maasnb/events.py` leads to the file. The site has no such file, so each one
that a page links becomes a page of it: Markdown as it is, code with its colours. Other files are
copied. The links in the pages stay as they are on GitHub.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
LOGO = ROOT / "extension" / "src" / "page" / "icon.svg"
LANGUAGES = {".py": "python", ".ts": "typescript", ".sh": "bash", ".toml": "toml", ".json": "json"}
COPIED = {".ipynb", ".png", ".svg"}
ALWAYS = ("CONTRIBUTING.md", "CHANGELOG.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside of docs/ that pages link, and those that they link in turn."""
    files.append(File.generated(config, "images/logo.svg", abs_src_path=str(LOGO)))
    waiting = [path for page in sorted(DOCS.rglob("*.md")) for path in linked(page)]
    waiting += [ROOT / name for name in ALWAYS]
    done: set[Path] = set()
    while waiting:
        path = waiting.pop(0)
        if path in done or DOCS in path.parents:
            continue
        done.add(path)
        files.append(made(path, config))
        if path.suffix == ".md":
            waiting += linked(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links that leave docs/ to the pages that were made of their files."""
    source = source_of(page.file)

    def replaced(found: re.Match[str]) -> str:
        target = resolved(source, found[1])
        if target is None or (target == source and DOCS in source.parents):
            return found[0]
        there = place_of(target)
        up = "../" * page.file.src_uri.count("/")
        return f"{up}{there}{(found[2] or '') if there.endswith('.md') else ''}"

    return LINK.sub(replaced, markdown)


def linked(page: Path) -> list[Path]:
    """Return the files that a page links, without those of the web."""
    text = page.read_text(encoding="utf-8")
    targets = (resolved(page, found[1]) for found in LINK.finditer(text))
    return [target for target in targets if target is not None]


def resolved(page: Path, link: str) -> Path | None:
    """Return the file that a link of a page leads to; None for an address or a folder."""
    if "://" in link or link.startswith("mailto:"):
        return None
    target = (page.parent / link).resolve()
    return target if target.is_file() and ROOT in target.parents else None


def place_of(target: Path) -> str:
    """Return where a file stands in the site's sources."""
    if DOCS in target.parents:
        return target.relative_to(DOCS).as_posix()
    place = target.relative_to(ROOT).as_posix()
    return place if target.suffix in {".md", *COPIED} else f"code/{place}.md"


def made(path: Path, config: MkDocsConfig) -> File:
    """Return a file of the site for one outside of docs/."""
    place = place_of(path)
    if path.suffix in COPIED:
        return File.generated(config, place, abs_src_path=str(path))
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".md":
        name = path.relative_to(ROOT).as_posix()
        fence = "````"
        text = f"# {name}\n\n{fence}{LANGUAGES.get(path.suffix, '')}\n{text.rstrip()}\n{fence}\n"
    return File.generated(config, place, content=text)


def source_of(file: File) -> Path:
    """Return the repository's file that a page of the site was made from."""
    place = file.src_uri
    if (DOCS / place).exists():
        return DOCS / place
    code = re.fullmatch(r"code/(.*)\.md", place)
    return ROOT / (code[1] if code else place)


def on_config(config: MkDocsConfig) -> Any:  # noqa: ANN401 - mkdocs' form
    """Tell the site which version it is of."""
    version = re.search(r'VERSION = "([^"]+)"', (ROOT / "maasnb" / "settings.py").read_text())
    config.site_description = f"{config.site_description} Version {version[1] if version else ''}"
    return config
