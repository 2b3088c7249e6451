"""A declaration and where it stands."""

from dataclasses import dataclass

from scoring.build.language.declaration import Declaration


@dataclass(frozen=True)
class Named:
    """A declaration with the variable and the theme (file) that hold it."""

    variable: str
    theme: str
    declaration: Declaration
    line: int | None = None

    @property
    def where(self) -> str:
        """`features/theme.py:12`."""
        ending = "sql" if self.declaration.stream == "sql" else "py"
        return f"features/{self.theme}.{ending}" + (f":{self.line}" if self.line else "")
