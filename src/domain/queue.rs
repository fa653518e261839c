//! The queue of Amazon SQS that events come from.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use url::{Host, Url};

use super::{AccountId, Malformed, Region};

/// What is accepted, as a noun phrase.
const EXPECTED: &str = "the URL of a queue of SQS, such as https://sqs.eu-west-1.amazonaws.com/111122223333/amiseal; http is only for \
                        loopback addresses";
/// The longest URL that makes sense.
const LONGEST: usize = 512;

/// The URL of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUrl {
    text: Box<str>,
    account: AccountId,
    region: Region,
    /// Where a queue of this machine is, which is no part of AWS: `http://127.0.0.1:4566`.
    local: Option<Box<str>>,
}

impl QueueUrl {
    /// As AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The account that the queue belongs to.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The region that the queue is in. The URL of a queue of this machine names none: this is `us-east-1` then.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Where a queue of this machine is; none of one of AWS's.
    pub fn local(&self) -> Option<&str> {
        self.local.as_deref()
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for QueueUrl {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new(text, EXPECTED);
        if text.len() > LONGEST {
            return Err(malformed());
        }
        let url = Url::parse(text).map_err(|_| malformed())?;
        let host = url.host().ok_or_else(malformed)?;
        let is_local = is_loopback(&host);
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && (url.scheme() == "https" || url.scheme() == "http" && is_local);
        let path: Vec<&str> = url.path_segments().ok_or_else(malformed)?.collect();
        let (account, name) = match path[..] {
            [account, name] => (account, name),
            [.., account, name] if is_local => (account, name),
            _ => return Err(malformed()),
        };
        if !is_plain || !is_name(name) {
            return Err(malformed());
        }
        let account = account.parse().map_err(|_| malformed())?;
        let region = if is_local {
            "us-east-1".parse().ok()
        } else {
            region_of(&host)
        };
        Ok(Self {
            text: url.as_str().into(),
            account,
            region: region.ok_or_else(malformed)?,
            local: is_local.then(|| url.origin().ascii_serialization().into()),
        })
    }
}

/// The region in the name of an endpoint of AWS, as in `sqs.eu-west-1.amazonaws.com`, or in that of an interface endpoint of a VPC.
fn region_of(host: &Host<&str>) -> Option<Region> {
    let Host::Domain(name) = host else { return None };
    let mut labels = name.split('.');
    let is_of_sqs = labels.clone().any(|label| matches!(label, "sqs" | "sqs-fips"));
    labels.find_map(|label| label.parse().ok()).filter(|_| is_of_sqs)
}

/// Up to 80 of these characters, and `.fifo` after them.
fn is_name(name: &str) -> bool {
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=80).contains(&name.len()) && !plain.is_empty() && plain.bytes().all(is_legal)
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Which it is, however often it comes; empty where SQS does not say.
    pub id: String,
    /// What it says: anything.
    pub body: String,
    /// By what it is deleted.
    pub receipt: String,
    /// When it was sent, by AWS's clock.
    pub sent: Option<Timestamp>,
    /// How often it was received, this time included.
    pub received: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_queue_tells_its_account_and_region() {
        for (url, account, region) in [
            (
                "https://sqs.eu-west-1.amazonaws.com/111122223333/amiseal",
                "111122223333",
                "eu-west-1",
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/amiseal.fifo",
                "111122223333",
                "cn-north-1",
            ),
            (
                "https://sqs-fips.us-gov-west-1.amazonaws.com/111122223333/a_b-C",
                "111122223333",
                "us-gov-west-1",
            ),
            (
                "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com/111122223333/amiseal",
                "111122223333",
                "eu-west-1",
            ),
            (
                "https://sqs.eu-central-1.api.aws/111122223333/amiseal",
                "111122223333",
                "eu-central-1",
            ),
        ] {
            let queue: QueueUrl = url.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                (queue.account().as_str(), queue.region().as_str()),
                (account, region),
                "{url}"
            );
            assert_eq!((queue.as_str(), queue.local()), (url, None));
        }
        for (url, origin) in [
            ("http://127.0.0.1:4566/111122223333/amiseal", "http://127.0.0.1:4566"),
            (
                "http://localhost:4566/queue/eu-west-1/111122223333/amiseal",
                "http://localhost:4566",
            ),
            ("https://[::1]:4566/111122223333/amiseal", "https://[::1]:4566"),
        ] {
            let queue: QueueUrl = url.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(queue.local(), Some(origin), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_queue_is_refused_in_one_sentence() {
        for bad in [
            "",
            "amiseal",
            "arn:aws:sqs:eu-west-1:111122223333:amiseal",
            "http://sqs.eu-west-1.amazonaws.com/111122223333/amiseal",
            "http://10.0.0.1/111122223333/amiseal",
            "ftp://sqs.eu-west-1.amazonaws.com/111122223333/amiseal",
            "https://sqs.eu-west-1.amazonaws.com/1111/amiseal",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/a/b",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/a%20b",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/amiseal?Action=Purge",
            "https://me:secret@sqs.eu-west-1.amazonaws.com/111122223333/amiseal",
            "https://eu-west-1.example.com/111122223333/amiseal",
            "https://sqs.amazonaws.com/111122223333/amiseal",
            "https://192.0.2.1/111122223333/amiseal",
        ] {
            let refused = bad.parse::<QueueUrl>().expect_err(bad).to_string();
            assert!(refused.contains("the URL of a queue of SQS"), "{refused}");
        }
        let long = format!("https://sqs.eu-west-1.amazonaws.com/111122223333/{}", "a".repeat(600));
        assert!(long.parse::<QueueUrl>().is_err());
    }
}
