//! Where calls go. Data in transit is encrypted, so plain http is for this machine only.

use aws_types::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use url::Url;

use super::ConfigError;
use crate::domain::is_loopback;

/// The services that are called: the ID that configuration files use, and the variable with their endpoint.
const SERVICES: [(&str, &str); 5] = [
    ("EC2", "AWS_ENDPOINT_URL_EC2"),
    ("KMS", "AWS_ENDPOINT_URL_KMS"),
    ("Organizations", "AWS_ENDPOINT_URL_ORGANIZATIONS"),
    ("SQS", "AWS_ENDPOINT_URL_SQS"),
    ("STS", "AWS_ENDPOINT_URL_STS"),
];

/// Refuses a configuration that would send a call over plain http to another machine.
pub(super) fn check(config: &SdkConfig) -> Result<(), ConfigError> {
    if let Some(endpoint) = config.endpoint_url() {
        check_url("AWS_ENDPOINT_URL", endpoint)?;
    }
    for (service, variable) in SERVICES {
        if let Some(endpoint) = config.service_config().and_then(|c| of_service(c, service)) {
            check_url(variable, &endpoint)?;
        }
    }
    Ok(())
}

/// Whether calls to a service go to an endpoint that was named, and not to AWS's own.
pub(super) fn is_named(config: &SdkConfig, service: &str) -> bool {
    let of_service = config.service_config().and_then(|config| of_service(config, service));
    config.endpoint_url().is_some() || of_service.is_some()
}

/// The endpoint of one service, from its variable or the active profile; looked up just as the service's own client does.
fn of_service(config: &dyn LoadServiceConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    config.load_config(key)
}

/// Accepts https, and http to a loopback address.
fn check_url(variable: &'static str, endpoint: &str) -> Result<(), ConfigError> {
    let malformed = || ConfigError::MalformedEndpoint { variable };
    let url = Url::parse(endpoint).map_err(|_| malformed())?;
    let host = url.host().ok_or_else(malformed)?;
    let loopback = is_loopback(&host);
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err(ConfigError::PlainHttp {
            variable,
            host: host.to_string(),
        }),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Configuration by variable name, as the environment would give it.
    #[derive(Debug)]
    struct Variables(HashMap<&'static str, &'static str>);

    impl LoadServiceConfig for Variables {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            let name = format!("{}_{}", key.env(), key.service_id().to_uppercase());
            self.0.get(name.as_str()).map(|value| (*value).to_owned())
        }
    }

    #[test]
    fn https_goes_anywhere_and_http_only_to_this_machine() {
        for good in [
            "https://ec2.eu-west-1.amazonaws.com",
            "https://10.0.0.1:8443/path",
            "http://localhost:4566",
            "http://127.0.0.1:4566",
            "http://127.9.9.9",
            "http://[::1]:4566",
        ] {
            assert_eq!(check_url("AWS_ENDPOINT_URL", good), Ok(()), "{good}");
        }
        for bad in [
            "http://ec2.eu-west-1.amazonaws.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://user@localhost@example.com",
            "http://0.0.0.0:4566",
            "http://[::ffff:10.0.0.1]",
            "HTTP://EXAMPLE.COM",
        ] {
            let refused = check_url("AWS_ENDPOINT_URL", bad);
            assert!(
                matches!(refused, Err(ConfigError::PlainHttp { .. })),
                "{bad}: {refused:?}"
            );
        }
        for malformed in ["", "localhost:4566", "/path", "ftp://localhost", "unix:/socket"] {
            let refused = check_url("AWS_ENDPOINT_URL", malformed);
            let expected = Err(ConfigError::MalformedEndpoint {
                variable: "AWS_ENDPOINT_URL",
            });
            assert_eq!(refused, expected, "{malformed}");
        }
    }

    #[test]
    fn a_refusal_names_the_variable_that_holds_the_endpoint() {
        for (_, variable) in SERVICES {
            let variables = Variables(HashMap::from([(variable, "http://aws.example.com")]));
            let config = SdkConfig::builder().service_config(variables).build();
            let refused = check(&config).expect_err("plain http").to_string();
            assert!(refused.contains(variable), "{refused}");
            assert!(refused.contains("aws.example.com"), "{refused}");
        }
        let config = SdkConfig::builder().endpoint_url("http://aws.example.com").build();
        let refused = check(&config).expect_err("plain http").to_string();
        assert!(refused.contains("AWS_ENDPOINT_URL "), "{refused}");
    }

    #[test]
    fn an_endpoint_of_one_service_does_not_excuse_another() {
        let variables = Variables(HashMap::from([("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:1")]));
        let config = SdkConfig::builder()
            .endpoint_url("http://aws.example.com")
            .service_config(variables)
            .build();
        assert!(check(&config).is_err());
    }
}
