"""The words of docs/design.md, section 4, as frozen types. Pure."""
