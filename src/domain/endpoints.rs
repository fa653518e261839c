//! Which of AWS's endpoints calls go to.

/// The endpoints that are called instead of the usual ones. Both together are of a third kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Endpoints {
    /// Those whose cryptography is validated by FIPS 140.
    pub fips: bool,
    /// Those that have addresses of IPv6 beside those of IPv4.
    pub dual_stack: bool,
}

impl Endpoints {
    /// The options that ask for them; none for the usual ones.
    pub fn options(self) -> Option<&'static str> {
        match (self.fips, self.dual_stack) {
            (true, true) => Some("--fips-endpoints and --dual-stack-endpoints"),
            (true, false) => Some("--fips-endpoints"),
            (false, true) => Some("--dual-stack-endpoints"),
            (false, false) => None,
        }
    }

    /// Of which kind the endpoint with this host name is, by the forms of AWS's names. In AWS GovCloud (US) the usual endpoints of most
    /// services are those of FIPS as well, which their names do not show.
    pub fn of_host(host: &str) -> Self {
        let mut labels = host.split('.');
        let first = labels.next().unwrap_or_default();
        Self {
            fips: first == "fips" || first.ends_with("-fips"),
            // As in kms.eu-west-1.api.aws: every partition has another suffix, and each begins so.
            dual_stack: labels.nth(1) == Some("api"),
        }
    }

    /// What is wrong where AWS has no such endpoint, and what fixes it.
    pub(super) fn missing(self) -> &'static str {
        match (self.fips, self.dual_stack) {
            (true, true) => {
                "no endpoint of the service for FIPS and dual stack is found here; leave out --fips-endpoints or \
                 --dual-stack-endpoints if AWS has none in this region, else see that its host name resolves"
            }
            (true, false) => {
                "no FIPS endpoint of the service is found here; leave out --fips-endpoints if AWS has none in this region, \
                 else see that its host name resolves"
            }
            (false, true) => {
                "no dual-stack endpoint of the service is found here; leave out --dual-stack-endpoints if AWS has none in this \
                 region, else see that its host name resolves"
            }
            (false, false) => "the service's host name does not resolve",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_tells_of_which_kind_an_endpoint_is() {
        for (host, fips, dual_stack) in [
            ("ec2.eu-west-1.amazonaws.com", false, false),
            ("ec2-fips.us-east-1.amazonaws.com", true, false),
            ("fips.eks.us-east-1.amazonaws.com", true, false),
            ("sts.us-gov-west-1.amazonaws.com", false, false),
            ("kms.eu-west-1.api.aws", false, true),
            ("kms-fips.us-gov-east-1.api.aws", true, true),
            ("sqs.cn-north-1.amazonaws.com.cn", false, false),
            ("sqs.cn-north-1.api.amazonwebservices.com.cn", false, true),
            ("ec2-fips.us-isob-east-1.api.aws.scloud", true, true),
            ("127.0.0.1", false, false),
            ("api.aws.example.com", false, false),
            ("", false, false),
        ] {
            assert_eq!(Endpoints::of_host(host), Endpoints { fips, dual_stack }, "{host}");
        }
    }

    #[test]
    fn what_is_missing_is_said_with_the_options_that_ask_for_it() {
        for (fips, dual_stack) in [(true, false), (false, true), (true, true)] {
            let endpoints = Endpoints { fips, dual_stack };
            let said = endpoints.missing();
            assert_eq!(said.contains("--fips-endpoints"), fips, "{said}");
            assert_eq!(said.contains("--dual-stack-endpoints"), dual_stack, "{said}");
            let options = endpoints.options().expect("options");
            assert_eq!(options.contains("--fips-endpoints"), fips, "{options}");
            assert_eq!(options.contains("--dual-stack-endpoints"), dual_stack, "{options}");
        }
        assert_eq!(Endpoints::default().options(), None);
    }
}
