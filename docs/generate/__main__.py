"""`make docs`: write every page that comes from the code, and take away those that have become nothing."""

from docs.generate.pages import DOCS, GENERATED_FOLDERS, pages


def main() -> None:
    wanted = pages()
    for folder in GENERATED_FOLDERS:
        for path in (DOCS / folder).glob("*.md"):
            if path.relative_to(DOCS) not in wanted:
                path.unlink()
    for name, text in wanted.items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} pages are as the code says.")


main()
