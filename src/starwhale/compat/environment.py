"""`starwhale.consts.env.SWEnv`: attribute names → names of environment variables."""


class SWEnv:
    """Names of the environment variables that the program reads."""

    storage = "SW_LOCAL_STORAGE"
    config = "SW_CLI_CONFIG"
    dataset_uri = "SW_DATASET_URI"
    log_verbose_count = "SW_LOG_VERBOSE_COUNT"
    instance_uri = "SW_INSTANCE_URI"
    project = "SW_PROJECT"
    project_uri = "SW_PROJECT_URI"
    instance_token = "SW_TOKEN"  # noqa: S105 - the name of a variable, not a token
    job_version = "SW_JOB_VERSION"


ENV_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST = "SW_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST"

__all__ = ["ENV_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST", "SWEnv"]
