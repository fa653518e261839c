//! Where calls go. Data in transit is encrypted, so plain http is for this machine only.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
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

/// The variable with the endpoint of all services; that of one service has its name behind it.
const VARIABLE: &str = "AWS_ENDPOINT_URL";
/// The same in a profile, for all services and for one.
const KEY: &str = "endpoint_url";
/// What no variable, key or service is called: it leaves a place out where an endpoint is looked up.
const NOWHERE: &str = "amiseal_nowhere";

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
pub(super) fn of_request(url: Option<&Url>) -> Endpoints {
    let host = url.and_then(Url::host_str);
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
        check_named(|| setting(config, NOWHERE, VARIABLE), endpoint, asked)?;
    }
    for (service, variable) in SERVICES {
        if let Some(endpoint) = of_service(config, service) {
            check_named(|| setting(config, service, variable), &endpoint, asked)?;
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

fn check_named(setting: impl Fn() -> String, endpoint: &str, asked: Endpoints) -> Result<(), ConfigError> {
    check_url(&setting, endpoint)?;
    match asked.options() {
        Some(options) => Err(ConfigError::TwoEndpoints {
            setting: setting(),
            options,
        }),
        None => Ok(()),
    }
}

/// Whether calls to a service go to an endpoint that was named, and not to AWS's own.
pub(super) fn is_named(config: &SdkConfig, service: &str) -> bool {
    config.endpoint_url().is_some() || of_service(config, service).is_some()
}

/// The endpoint of one service, looked up just as the service's own client does: the service's variable goes before that of all services,
/// and these go before the active profile.
fn of_service(config: &SdkConfig, service: &str) -> Option<String> {
    load(config, service, VARIABLE, KEY)
}

fn load(config: &SdkConfig, service: &str, variable: &str, key: &str) -> Option<String> {
    let wanted = ServiceConfigKey::builder()
        .service_id(service)
        .env(variable)
        .profile(key)
        .build()
        .ok()?;
    config.service_config()?.load_config(wanted)
}

/// What holds the endpoint of a service, as people have to know it to correct it.
fn setting(config: &SdkConfig, service: &str, variable: &str) -> String {
    let is_set = |variable: &&str| load(config, NOWHERE, variable, NOWHERE).is_some();
    if let Some(variable) = [variable, VARIABLE].into_iter().find(is_set) {
        return variable.to_owned();
    }
    let in_profile = |service: &str| load(config, service, NOWHERE, KEY);
    match in_profile(service) {
        None => VARIABLE.to_owned(),
        found if found == in_profile(NOWHERE) => "endpoint_url in the AWS profile".to_owned(),
        Some(_) => {
            let service = service.to_lowercase().replace(' ', "-");
            format!("endpoint_url of {service} in the services of the AWS profile")
        }
    }
}

/// Accepts https, and http to a loopback address.
fn check_url(setting: &impl Fn() -> String, endpoint: &str) -> Result<(), ConfigError> {
    let malformed = || ConfigError::MalformedEndpoint { setting: setting() };
    let url = Url::parse(endpoint).map_err(|_| malformed())?;
    let host = url.host().ok_or_else(malformed)?;
    let loopback = is_loopback(&host);
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err(ConfigError::PlainHttp {
            setting: setting(),
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
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    /// The environment and the profile, as the SDK looks into them. Keys of a service stand behind its name in the profile.
    #[derive(Debug, Default)]
    struct Configured {
        variables: Vec<(&'static str, &'static str)>,
        profile: Vec<(&'static str, &'static str)>,
    }

    impl LoadServiceConfig for Configured {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            let service = key.service_id();
            let of = |places: &[(&str, &'static str)], name: &str| {
                places
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            let variable = |name: &str| of(&self.variables, name);
            let profile = |name: &str| of(&self.profile, name);
            variable(&format!("{}_{}", key.env(), service.to_uppercase().replace(' ', "_")))
                .or_else(|| variable(key.env()))
                .or_else(|| profile(&format!("{service} {}", key.profile())))
                .or_else(|| profile(key.profile()))
        }
    }

    fn variable(name: &'static str, value: &'static str) -> Configured {
        Configured {
            variables: vec![(name, value)],
            profile: Vec::new(),
        }
    }

    fn any() -> String {
        VARIABLE.to_owned()
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
            assert_eq!(check_url(&any, good), Ok(()), "{good}");
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
            let refused = check_url(&any, bad);
            assert!(
                matches!(refused, Err(ConfigError::PlainHttp { .. })),
                "{bad}: {refused:?}"
            );
        }
        for malformed in ["", "localhost:4566", "/path", "ftp://localhost", "unix:/socket"] {
            let refused = check_url(&any, malformed);
            let expected = Err(ConfigError::MalformedEndpoint { setting: any() });
            assert_eq!(refused, expected, "{malformed}");
        }
    }

    #[test]
    fn a_refusal_names_the_variable_that_holds_the_endpoint() {
        for (_, name) in SERVICES {
            let config = SdkConfig::builder().service_config(variable(name, "http://aws.example.com"));
            let refused = check(&config.build()).expect_err("plain http").to_string();
            assert!(refused.starts_with(&format!("{name} sends")), "{refused}");
            assert!(refused.contains("aws.example.com"), "{refused}");
        }
        let config = SdkConfig::builder().endpoint_url("http://aws.example.com").build();
        let refused = check(&config).expect_err("plain http").to_string();
        assert!(refused.starts_with("AWS_ENDPOINT_URL sends"), "{refused}");
    }

    /// The SDK keeps nothing of an endpoint for all services that it cannot read, and each service's client finds it again.
    #[test]
    fn a_malformed_endpoint_is_told_by_what_is_really_set() {
        type Places = Vec<(&'static str, &'static str)>;
        let (good, bad) = ("https://aws.example.com", "http://");
        let table: [(Places, Places, &str); 6] = [
            (vec![(VARIABLE, bad)], vec![], VARIABLE),
            (vec![(VARIABLE, "localhost:1234")], vec![(KEY, good)], VARIABLE),
            (
                vec![("AWS_ENDPOINT_URL_STS", bad), (VARIABLE, good)],
                vec![],
                "AWS_ENDPOINT_URL_STS",
            ),
            (
                vec![("AWS_ENDPOINT_URL_AUTO_SCALING", good), (VARIABLE, bad)],
                vec![],
                VARIABLE,
            ),
            (vec![], vec![(KEY, bad)], "endpoint_url in the AWS profile"),
            (
                vec![],
                vec![("Auto Scaling endpoint_url", bad), (KEY, good)],
                "endpoint_url of auto-scaling in the services of the AWS profile",
            ),
        ];
        for (variables, profile, setting) in table {
            let said = format!("{variables:?} {profile:?}");
            let configured = Configured { variables, profile };
            let refused = check(&SdkConfig::builder().service_config(configured).build());
            let setting = setting.to_owned();
            assert_eq!(refused, Err(ConfigError::MalformedEndpoint { setting }), "{said}");
        }
        // One that the SDK takes for a URL.
        for (configured, setting) in [
            (variable(VARIABLE, "localhost:1234"), VARIABLE),
            (
                Configured {
                    profile: vec![(KEY, "localhost:1234")],
                    ..Configured::default()
                },
                "endpoint_url in the AWS profile",
            ),
        ] {
            let config = SdkConfig::builder()
                .endpoint_url("localhost:1234")
                .service_config(configured);
            let setting = setting.to_owned();
            assert_eq!(check(&config.build()), Err(ConfigError::MalformedEndpoint { setting }));
        }
    }

    #[test]
    fn an_endpoint_that_is_named_and_a_kind_that_is_asked_for_exclude_each_other() {
        for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
            let asking = || SdkConfig::builder().use_fips(fips).use_dual_stack(dual_stack);
            let options = Endpoints { fips, dual_stack }.options();
            let expected = |setting: &str| match options {
                Some(options) => Err(ConfigError::TwoEndpoints {
                    setting: setting.to_owned(),
                    options,
                }),
                None => Ok(()),
            };
            assert_eq!(check(&asking().build()), Ok(()));
            let general = asking().endpoint_url("https://aws.example.com").build();
            assert_eq!(check(&general), expected("AWS_ENDPOINT_URL"));
            for (_, name) in SERVICES {
                let config = asking().service_config(variable(name, "https://aws.example.com"));
                assert_eq!(check(&config.build()), expected(name));
            }
        }
        let (name, options) = ("AWS_ENDPOINT_URL_EC2", "--fips-endpoints");
        let setting = name.to_owned();
        let said = ConfigError::TwoEndpoints { setting, options }.to_string();
        assert!(said.contains(name) && said.contains(options), "{said}");
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
        let config = SdkConfig::builder()
            .endpoint_url("http://aws.example.com")
            .service_config(variable("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:1"))
            .build();
        assert!(check(&config).is_err());
    }
}
