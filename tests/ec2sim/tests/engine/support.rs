//! A client that speaks the wire protocols in-process, and a world to try it on.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use ec2sim::{Directive, Sim, WorldSpec};
use serde_json::Value;

/// The access key of the account that owns the images.
pub(crate) const OWNER: &str = "AKIAOWNER";
/// The access key of an account that some images are shared with.
pub(crate) const OTHER: &str = "AKIAOTHER";
/// The access key of an account that assumes roles.
pub(crate) const MANAGER: &str = "AKIAMANAGER";
/// The account that owns the images.
pub(crate) const ACCOUNT: &str = "111111111111";
pub(crate) const OTHER_ACCOUNT: &str = "222222222222";
pub(crate) const REGION: &str = "eu-west-1";
/// The image that most tests copy: 10 GiB, unencrypted.
pub(crate) const WEB: &str = "ami-00000001";

/// A world of one image, with more of everything put in at the marks.
pub(crate) fn yaml(settings: &str, images: &str, expect: &str) -> String {
    format!(
        r#"
seed: 1
clock: {{start: 2026-01-01T00:00:00Z}}
settings: {{copies: {{baseSeconds: 100, secondsPerGib: 10, jitter: 0}}, {settings}}}
identities:
- {{accessKey: {OWNER}, account: "{ACCOUNT}"}}
- {{accessKey: {OTHER}, account: "{OTHER_ACCOUNT}"}}
- {{accessKey: {MANAGER}, account: "333333333333"}}
expect: {{{expect}}}
accounts:
- id: "{ACCOUNT}"
  organization: arn:aws:organizations::1:organization/o-1
  roles:
  - {{name: reader, trust: ["333333333333"], allow: ["ec2:Describe*"], externalID: secret}}
  - {{name: writer, trust: ["333333333333"], allow: ["ec2:*", "kms:*", "sts:*"]}}
  - {{name: plain, trust: ["333333333333"], allow: ["*"], sessionTags: false}}
  regions:
  - name: {REGION}
    keys:
    - {{id: key-good, alias: [alias/good]}}
    - {{id: key-other, alias: [alias/other]}}
    - {{id: key-off, alias: [alias/off], state: Disabled}}
    - {{id: key-dying, state: PendingDeletion}}
    - {{id: key-rsa, spec: RSA_2048}}
    - {{id: key-sign, usage: SIGN_VERIFY}}
    - {{id: key-private, allowedPrincipals: ["arn:aws:iam::{ACCOUNT}:role/nobody"]}}
    - {{id: key-ebs, alias: [alias/aws/ebs]}}
    images:
    - id: {WEB}
      name: web
      description: the web
      tags: {{Name: web, team: a}}
      devices: [{{gib: 10}}]
      expect: {{copied: {{key: alias/good}}}}
{images}
  - {{name: us-east-1, keys: [{{id: key-far}}]}}
  - {{name: ap-east-1, optIn: not-opted-in}}
- id: "{OTHER_ACCOUNT}"
  regions: [{{name: {REGION}}}]
"#
    )
}

/// A simulator of [`yaml`] with nothing added.
pub(crate) fn plain() -> Sim {
    world(&yaml("", "", ""))
}

/// A simulator of that world, on a stepped clock.
pub(crate) fn world(yaml: &str) -> Sim {
    let spec = WorldSpec::parse(yaml).expect("the world parses");
    Sim::stepped(&spec).expect("the world can be built")
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) directive: Directive,
    /// The error code of a REST service, and of one that had a query protocol.
    pub(crate) error_type: Option<String>,
}

impl Reply {
    /// The texts of all elements of that name.
    pub(crate) fn all(&self, element: &str) -> Vec<String> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        self.body
            .split(&open)
            .skip(1)
            .filter_map(|rest| rest.split(&close).next())
            .map(str::to_owned)
            .collect()
    }

    /// The text of the first element of that name.
    pub(crate) fn one(&self, element: &str) -> String {
        self.all(element).into_iter().next().unwrap_or_default()
    }

    /// `OK`, or the error code.
    pub(crate) fn code(&self) -> String {
        if (200..300).contains(&self.status) {
            "OK".to_owned()
        } else if let Some(code) = &self.error_type {
            code.clone()
        } else if self.body.starts_with('{') {
            self.json()["__type"].as_str().unwrap_or_default().to_owned()
        } else {
            self.one("Code")
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Credentials and a region.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) sim: Sim,
    pub(crate) key: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
}

pub(crate) fn client(sim: &Sim, key: &str) -> Client {
    Client {
        sim: sim.clone(),
        key: key.to_owned(),
        token: None,
        region: REGION.to_owned(),
    }
}

impl Client {
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    fn send(&self, service: &str, target: Option<&str>, body: String) -> Reply {
        self.request(service, "POST", "/", target, body)
    }

    /// Sends a request to a service.
    pub(crate) fn request(&self, service: &str, method: &str, uri: &str, target: Option<&str>, body: String) -> Reply {
        let mut request = Request::builder().method(method).uri(uri).header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={}/20260101/{}/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
                self.key,
                self.region,
                "0".repeat(64)
            ),
        );
        if let Some(token) = &self.token {
            request = request.header("x-amz-security-token", token);
        }
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        let response = self.sim.handle(&request.body(Bytes::from(body)).expect("a request"));
        let headers = response.headers();
        let error_type = headers.get("x-amzn-errortype").or(headers.get("x-amzn-query-error"));
        Reply {
            status: response.status().as_u16(),
            directive: response.extensions().get::<Directive>().copied().unwrap_or_default(),
            error_type: error_type
                .and_then(|v| v.to_str().ok())
                .and_then(|v| v.split(';').next())
                .map(str::to_owned),
            body: String::from_utf8_lossy(response.body()).into_owned(),
        }
    }

    fn query(&self, service: &str, version: &str, action: &str, params: &[(&str, &str)]) -> Reply {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action);
        form.append_pair("Version", version);
        for (k, v) in params {
            form.append_pair(k, v);
        }
        self.send(service, None, form.finish())
    }

    pub(crate) fn ec2(&self, action: &str, params: &[(&str, &str)]) -> Reply {
        self.query("ec2", "2016-11-15", action, params)
    }

    pub(crate) fn sts(&self, action: &str, params: &[(&str, &str)]) -> Reply {
        self.query("sts", "2011-06-15", action, params)
    }

    pub(crate) fn kms(&self, operation: &str, body: &Value) -> Reply {
        self.send("kms", Some(&format!("TrentService.{operation}")), body.to_string())
    }

    pub(crate) fn autoscaling(&self, action: &str, params: &[(&str, &str)]) -> Reply {
        self.query("autoscaling", "2011-01-01", action, params)
    }

    pub(crate) fn ssm(&self, operation: &str, body: &Value) -> Reply {
        self.send("ssm", Some(&format!("AmazonSSM.{operation}")), body.to_string())
    }

    pub(crate) fn sqs(&self, operation: &str, body: &Value) -> Reply {
        self.send("sqs", Some(&format!("AmazonSQS.{operation}")), body.to_string())
    }

    pub(crate) fn organizations(&self, operation: &str, body: &Value) -> Reply {
        let target = format!("AWSOrganizationsV20161128.{operation}");
        self.send("organizations", Some(&target), body.to_string())
    }

    pub(crate) fn get(&self, service: &str, uri: &str) -> Reply {
        self.request(service, "GET", uri, None, String::new())
    }

    pub(crate) fn post(&self, service: &str, uri: &str, body: &Value) -> Reply {
        self.request(service, "POST", uri, None, body.to_string())
    }

    /// All elements of that name in all pages of a listing of EC2 or Auto Scaling.
    pub(crate) fn pages(
        &self,
        call: impl Fn(&Self, &[(&str, &str)]) -> Reply,
        params: &[(&str, &str)],
        element: &str,
    ) -> Vec<String> {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut params = params.to_vec();
            params.extend(token.as_deref().map(|t| ("NextToken", t)));
            let reply = call(self, &params);
            assert_eq!(reply.code(), "OK", "{}", reply.body);
            all.extend(reply.all(element));
            let next = reply.all("nextToken").into_iter().chain(reply.all("NextToken")).next();
            match next {
                Some(next) => token = Some(next),
                None => return all,
            }
        }
    }

    /// All entries in all pages of a listing of a JSON service; `field` is the list, `token` its token's name.
    pub(crate) fn json_pages(
        &self,
        call: impl Fn(&Self, &Value) -> Reply,
        body: &Value,
        field: &str,
        token: &str,
    ) -> Vec<Value> {
        let (mut all, mut body) = (Vec::new(), body.clone());
        loop {
            let reply = call(self, &body);
            assert_eq!(reply.code(), "OK", "{}", reply.body);
            let answer = reply.json();
            all.extend(answer[field].as_array().cloned().unwrap_or_default());
            match answer.get(token) {
                Some(next) => body[token] = next.clone(),
                None => return all,
            }
        }
    }

    /// Copies an image under a key, with more parameters; returns the answer.
    pub(crate) fn copy(&self, source: &str, name: &str, key: &str, more: &[(&str, &str)]) -> Reply {
        let mut params = vec![
            ("SourceImageId", source),
            ("SourceRegion", REGION),
            ("Name", name),
            ("Encrypted", "true"),
            ("KmsKeyId", key),
        ];
        params.extend_from_slice(more);
        self.ec2("CopyImage", &params)
    }

    /// The state of an image as it is described.
    pub(crate) fn state(&self, image: &str) -> String {
        self.ec2("DescribeImages", &[("ImageId.1", image), ("IncludeDisabled", "true")])
            .one("imageState")
    }

    /// IDs of the images that a filter lets through.
    pub(crate) fn images(&self, params: &[(&str, &str)]) -> Vec<String> {
        let reply = self.ec2("DescribeImages", params);
        assert_eq!(reply.code(), "OK", "{}", reply.body);
        let mut names = reply.all("name");
        names.sort();
        names
    }
}

pub(crate) fn seconds(sim: &Sim, n: u64) {
    sim.advance(Duration::from_secs(n));
}
