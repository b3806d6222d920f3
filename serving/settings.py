"""The service's configuration: ``settings.yaml``, or the environment's word on any value of it."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)
from yaml import YAMLError

from pipeline.audio import MAX_BYTES, MAX_SECONDS

PREFIX = "EMOTION_DETECTOR_"
FILE = f"{PREFIX}SETTINGS"
DEFAULT = Path(__file__).with_name("settings.yaml")


class SettingsError(Exception):
    """A configuration that does not fit: which value, and where it is set."""


class Settings(BaseSettings):
    """What an operator may choose; ``settings.yaml`` says what each value means."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_parse_none_str="null"
    )

    model: str | None
    follow: Literal["bundle", "registry", "nothing"]
    follow_every: PositiveFloat

    workers: PositiveInt
    threads: PositiveInt | None
    queue: int = Field(ge=0)
    wait: PositiveFloat
    timeout: PositiveFloat
    upload_timeout: PositiveFloat

    max_file_bytes: int = Field(gt=0, le=MAX_BYTES)
    max_seconds: float = Field(gt=0, le=MAX_SECONDS)
    longest: PositiveFloat
    max_batch_files: PositiveInt
    max_batch_bytes: PositiveInt

    window: float = Field(ge=0.5, le=MAX_SECONDS)
    hop: float = Field(ge=0.1, le=MAX_SECONDS)
    max_windows: PositiveInt

    token: SecretStr | None
    token_file: Path | None
    rate: PositiveFloat | None
    burst: PositiveInt

    @model_validator(mode="after")
    def _token_once_and_not_empty(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("give either token or token_file, not both")
        if self.token_file is not None and not self.token_file.is_file():
            raise ValueError(f"token_file: {self.token_file} is not there")
        if self.secret == b"":
            raise ValueError("the token is empty: give one, or null to let everybody ask")
        return self

    @property
    def secret(self) -> bytes | None:
        """The token that clients must send; None where everybody may ask."""
        if self.token_file is not None:
            return self.token_file.read_bytes().strip()
        return None if self.token is None else self.token.get_secret_value().strip().encode()

    @property
    def detections(self) -> int:
        """Detections at a time in one worker: more than there are cores would only wait for each other."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.workers)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment go before the operator's file, and that before ``settings.yaml``."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, [DEFAULT, _file()])


def _file() -> Path:
    return Path(os.environ.get(FILE) or DEFAULT)


def load() -> Settings:
    """Read the configuration.

    Raises
    ------
    SettingsError
        Naming each value that is unknown, missing or of the wrong kind, and where it is set.
    """
    file = _file()
    try:
        if not file.is_file():
            raise SettingsError(f"the configuration file {file} is not there: see {FILE}")
        return Settings()  # type: ignore[call-arg]  # the file has them
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}".lstrip(": ") for e in error.errors())
        reason = faults
    except (YAMLError, UnicodeDecodeError, TypeError, ValueError) as error:
        reason = f"it is no mapping in YAML: {error}".replace("\n", " ")
    raise SettingsError(
        f"the configuration does not fit ({reason}): mend {file}, or the variable {PREFIX}… that overrides it"
    )
