//! Where calls go. Data in transit is encrypted, so plain http is for this machine only.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use url::Url;

use super::ConfigError;
use crate::domain::{Endpoints, is_loopback};

/// The services that are called: the ID that configuration files use, and the variable with their endpoint.
const SERVICES: [(&str, &str); 12] = [
    ("Auto Scaling", "AWS_ENDPOINT_URL_AUTO_SCALING"),
    ("Batch", "AWS_ENDPOINT_URL_BATCH"),
    ("CloudTrail", "AWS_ENDPOINT_URL_CLOUDTRAIL"),
    ("EC2", "AWS_ENDPOINT_URL_EC2"),
    ("EKS", "AWS_ENDPOINT_URL_EKS"),
    ("imagebuilder", "AWS_ENDPOINT_URL_IMAGEBUILDER"),
    ("Inspector2", "AWS_ENDPOINT_URL_INSPECTOR2"),
    ("KMS", "AWS_ENDPOINT_URL_KMS"),
    ("Organizations", "AWS_ENDPOINT_URL_ORGANIZATIONS"),
    ("SQS", "AWS_ENDPOINT_URL_SQS"),
    ("SSM", "AWS_ENDPOINT_URL_SSM"),
    ("STS", "AWS_ENDPOINT_URL_STS"),
];

/// What the SDK says where a partition has no such endpoints. It has no type of its own for each.
const REFUSALS: [(&str, Endpoints); 3] = [
    (
        "FIPS and DualStack are enabled, but this partition does not support one or both",
        Endpoints {
            fips: true,
            dual_stack: true,
        },
    ),
    (
        "FIPS is enabled but this partition does not support FIPS",
        Endpoints {
            fips: true,
            dual_stack: false,
        },
    ),
    (
        "DualStack is enabled but this partition does not support DualStack",
        Endpoints {
            fips: false,
            dual_stack: true,
        },
    ),
];

/// The host of an endpoint of FIPS or dual stack has no address: most likely AWS has none there.
#[derive(Debug, thiserror::Error)]
#[error("the host name of the endpoint does not resolve")]
pub(super) struct Unresolved {
    /// What was asked for.
    pub(super) endpoints: Endpoints,
    source: ConnectorError,
}

/// Of which kind the endpoint is that a request goes to.
pub(super) fn of_request(uri: &str) -> Endpoints {
    let url = Url::parse(uri).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.map(Endpoints::of_host).unwrap_or_default()
}

/// What a failed connection to an endpoint means: that there is none, where its name does not resolve and it is no usual one.
pub(super) fn explained(error: ConnectorError, endpoints: Endpoints) -> ConnectorError {
    if endpoints == Endpoints::default() || !is_unresolved(&error) {
        return error;
    }
    let source = error;
    ConnectorError::io(Unresolved { endpoints, source }.into())
}

/// Which endpoints the SDK has refused to make up for a region, if it has.
pub(super) fn refused(error: &(dyn StdError + 'static)) -> Option<Endpoints> {
    let said = error.to_string();
    let refusal = REFUSALS.iter().find(|(refusal, _)| *refusal == said);
    refusal.map(|(_, endpoints)| *endpoints)
}

/// Whether a host's name did not resolve. The transport has no public type for that.
fn is_unresolved(error: &ConnectorError) -> bool {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |&error| error.source()).any(|error| error.to_string() == "dns error")
}

/// Refuses a configuration that would send a call over plain http to another machine, and one that names an endpoint where another kind
/// of endpoints is asked for.
pub(super) fn check(config: &SdkConfig) -> Result<(), ConfigError> {
    let asked = asked(config);
    if let Some(endpoint) = config.endpoint_url() {
        check_named("AWS_ENDPOINT_URL", endpoint, asked)?;
    }
    for (service, variable) in SERVICES {
        if let Some(endpoint) = config.service_config().and_then(|c| of_service(c, service)) {
            check_named(variable, &endpoint, asked)?;
        }
    }
    Ok(())
}

/// Which kind of endpoints is asked for, by options, environment or profile.
fn asked(config: &SdkConfig) -> Endpoints {
    Endpoints {
        fips: config.use_fips().unwrap_or(false),
        dual_stack: config.use_dual_stack().unwrap_or(false),
    }
}

fn check_named(variable: &'static str, endpoint: &str, asked: Endpoints) -> Result<(), ConfigError> {
    check_url(variable, endpoint)?;
    match asked.options() {
        Some(options) => Err(ConfigError::TwoEndpoints { variable, options }),
        None => Ok(()),
    }
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
#[path = "endpoint_resolved_tests.rs"]
mod resolved_tests;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Configuration by variable name, as the environment would give it.
    #[derive(Debug)]
    struct Variables(HashMap<&'static str, &'static str>);

    impl LoadServiceConfig for Variables {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            let service = key.service_id().to_uppercase().replace(' ', "_");
            let name = format!("{}_{service}", key.env());
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
    fn an_endpoint_that_is_named_and_a_kind_that_is_asked_for_exclude_each_other() {
        for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
            let asking = || SdkConfig::builder().use_fips(fips).use_dual_stack(dual_stack);
            let options = Endpoints { fips, dual_stack }.options();
            let expected = |variable| match options {
                Some(options) => Err(ConfigError::TwoEndpoints { variable, options }),
                None => Ok(()),
            };
            assert_eq!(check(&asking().build()), Ok(()));
            let general = asking().endpoint_url("https://aws.example.com").build();
            assert_eq!(check(&general), expected("AWS_ENDPOINT_URL"));
            for (_, variable) in SERVICES {
                let variables = Variables(HashMap::from([(variable, "https://aws.example.com")]));
                let config = asking().service_config(variables).build();
                assert_eq!(check(&config), expected(variable));
            }
        }
        let (variable, options) = ("AWS_ENDPOINT_URL_EC2", "--fips-endpoints");
        let said = ConfigError::TwoEndpoints { variable, options }.to_string();
        assert!(said.contains(variable) && said.contains(options), "{said}");
    }

    /// An error with another one inside.
    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn a_name_that_does_not_resolve_is_told_only_of_endpoints_that_aws_may_not_have() {
        let fips = Endpoints {
            fips: true,
            dual_stack: false,
        };
        for (inner, endpoints, expected) in [
            ("dns error", fips, Some(fips)),
            ("dns error", Endpoints::default(), None),
            ("tcp connect error", fips, None),
        ] {
            let source = Some(Box::new(Layer {
                text: inner,
                source: None,
            }));
            let text = "client error (Connect)";
            let error = explained(ConnectorError::io(Layer { text, source }.into()), endpoints);
            let unresolved = error.source().and_then(|source| source.downcast_ref::<Unresolved>());
            assert_eq!(
                unresolved.map(|found| found.endpoints),
                expected,
                "{inner} {endpoints:?}"
            );
            assert!(error.is_io(), "it is tried again");
        }
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
