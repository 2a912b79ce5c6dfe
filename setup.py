"""Names the packages of the distribution; everything else is said in pyproject.toml."""

from setuptools import find_packages, setup

_ROOMS = ("schemas", "transforms", "pipelines", "templates", "local", "console", "chaos")

setup(
    packages=find_packages(include=[pattern for room in _ROOMS for pattern in (room, f"{room}.*")]),
    package_data={
        "schemas": ["contracts/**/*.avsc", "features/*.yaml", "metrics/*.yaml", "quality/*.yaml"],
        "templates": ["Dockerfile", "*/metadata.json", "*.example.yaml"],
        "local": ["**/*.go", "**/go.mod", "**/go.sum", "**/*.txt", "**/*.java", "**/pom.xml"],
        "chaos": ["*.sql"],
    },
)
