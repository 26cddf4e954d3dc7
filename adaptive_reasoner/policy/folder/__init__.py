"""The policy folder on disk. Others may have written it, so it is checked before it is used."""
