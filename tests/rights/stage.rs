//! A world with something of everything, and a role in it that makes single calls.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use ec2sim::{Edit, Sim, WorldSpec};
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";
/// A region that no policy names.
pub(crate) const FAR: &str = "us-east-1";
/// An image that nobody has copied.
pub(crate) const ORIGINAL: &str = "ami-0000000a";
/// One that is encrypted under a key that no policy names.
pub(crate) const SEALED: &str = "ami-0000000c";
/// One that another account owns and shares.
pub(crate) const THEIRS: &str = "ami-0000000d";
/// One in the other region, with the tag of a copy.
pub(crate) const DISTANT: &str = "ami-0000000f";
/// These stand for what is made as the world begins.
pub(crate) const COPY: &str = "$copy";
pub(crate) const SNAPSHOT: &str = "$snapshot-of-copy";
pub(crate) const SOURCE_SNAPSHOT: &str = "$snapshot-of-original";
pub(crate) const REPORT: &str = "$report";
pub(crate) const OTHER_REPORT: &str = "$report-of-another-policy";

const ADMIN: &str = "AKIAADMIN";
const CONTROLLER: &str = "AKIACONTROLLER";

const WORLD: &str = r#"
seed: 1
settings:
  copies:
    {baseSeconds: 1, secondsPerGib: 0, jitter: 0, keyActions: ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey",
     "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]}
  launches: {groupRights: true}
identities:
- {accessKey: AKIAADMIN, account: "111122223333"}
- {accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}
accounts:
- {id: "999900001111"}
- id: "111122223333"
  roles: [{name: amiseal, trust: ["999900001111"], allow: []}]
  regions:
  - name: eu-west-1
    keys: [{id: key-ami, alias: [alias/ami]}, {id: key-old, alias: [alias/old]}]
    images:
    - {id: ami-0000000a, name: original}
    - {id: ami-0000000c, name: sealed, encryptedUnder: alias/old}
    - {id: ami-0000000e, name: spare}
    launchTemplates:
    - {id: lt-0000000a, name: web, versions: [{image: original, data: {IamInstanceProfile: {Name: web}}}]}
    - {id: lt-0000000b, name: held, tags: {amiseal.dev/hold: "yes"}, versions: [{image: original}]}
    - {id: lt-0000000c, name: plain, versions: [{image: original}]}
    autoScalingGroups:
    - {name: web, launchTemplate: {template: web}}
    - {name: held, tags: {amiseal.dev/hold: "yes"}, launchTemplate: {template: plain}}
    instances:
    - {id: i-0000000a, image: original, tags: {amiseal.dev/validates: ami-0000000a}}
    - {id: i-0000000b, image: original}
    parameters:
    - {name: /golden, image: original}
    - {name: /held, image: original, tags: {amiseal.dev/hold: "yes"}}
    - {name: /amiseal/images/ami-0000000a, value: x, tags: {amiseal.dev/policy: production, amiseal.dev/source-image: ami-0000000a}}
    - {name: /amiseal/images/ami-0000000b, value: x, tags: {amiseal.dev/policy: another, amiseal.dev/source-image: ami-0000000b}}
    - {name: /amiseal/images/ami-0000000c, value: x, tags: {amiseal.dev/policy: production}}
    eksClusters:
    - {name: blue, nodegroups: [{name: workers, amiType: CUSTOM, launchTemplate: {template: web}}]}
    imageRecipes: [{name: web, parentImage: original}]
    containerRecipes: [{name: tools, parentImage: "amazonlinux:2023", instanceImage: original}]
    trails: [{name: all, multiRegion: true}]
  - name: us-east-1
    keys: [{id: key-far, alias: [alias/ami]}]
    images: [{id: ami-0000000f, name: distant, tags: {amiseal.dev/source-image: ami-0000000a}}]
    launchTemplates: [{id: lt-0000000d, name: distant, versions: [{image: distant}]}]
    autoScalingGroups: [{name: distant, launchTemplate: {template: distant}}]
- id: "444455556666"
  regions:
  - name: eu-west-1
    images: [{id: ami-0000000d, name: theirs, launchPermissions: {users: ["111122223333"]}}]
"#;

/// What the role tries.
#[derive(Clone, Debug)]
pub(crate) enum Try {
    /// A dry run of a call of EC2.
    Ec2(&'static str, Vec<(&'static str, String)>),
    /// A call of Auto Scaling.
    Group(&'static str, Vec<(&'static str, String)>),
    /// A call of a service that speaks JSON: the service and the operation.
    Json(&'static str, &'static str, Value),
    /// A call of one with paths: the service, the method, the path, and the body.
    Rest(&'static str, &'static str, String, Value),
    /// A copy of an image under a key, to its end.
    Copy(&'static str, &'static str),
    /// The same in the other region.
    Far(Box<Try>),
}

impl Try {
    /// The same in a region that no policy names.
    pub(crate) fn far(&self) -> Self {
        Self::Far(Box::new(self.clone()))
    }

    /// What is called, in a word.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Ec2(operation, _) => (*operation).to_owned(),
            Self::Group(operation, _) | Self::Json(_, operation, _) => (*operation).to_owned(),
            Self::Rest(_, method, path, _) => format!("{method} {path}"),
            Self::Copy(..) => "CopyImage".to_owned(),
            Self::Far(inner) => inner.name(),
        }
    }
}

/// A dry run of a call of EC2.
pub(crate) fn ec2(operation: &'static str, parameters: &[(&'static str, &str)]) -> Try {
    Try::Ec2(operation, owned(parameters))
}

/// A call of Auto Scaling.
pub(crate) fn group(operation: &'static str, parameters: &[(&'static str, &str)]) -> Try {
    Try::Group(operation, owned(parameters))
}

/// A call of Systems Manager.
pub(crate) fn ssm(operation: &'static str, body: Value) -> Try {
    Try::Json("ssm", operation, body)
}

/// A call of KMS.
pub(crate) fn kms(operation: &'static str, key: &str) -> Try {
    Try::Json("kms", operation, json!({"KeyId": key}))
}

fn owned(parameters: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let owned = parameters.iter().map(|(name, value)| (*name, (*value).to_owned()));
    owned.collect()
}

/// Whether the role is denied what it tries when it has these rights and no others.
pub(crate) fn is_denied(statements: &[Value], what: &Try) -> bool {
    Stage::with(statements).denies(what)
}

struct Reply {
    status: u16,
    body: String,
    error_type: Option<String>,
}

impl Reply {
    fn one(&self, element: &str) -> String {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let inside = self.body.split(&open).nth(1).and_then(|rest| rest.split(&close).next());
        inside.unwrap_or_default().to_owned()
    }

    /// `OK`, or the error's code.
    fn code(&self) -> String {
        if (200..300).contains(&self.status) {
            return "OK".to_owned();
        }
        if let Some(code) = &self.error_type {
            return code.clone();
        }
        match serde_json::from_str::<Value>(&self.body) {
            Ok(json) => json["__type"].as_str().unwrap_or_default().to_owned(),
            Err(_) => self.one("Code"),
        }
    }

    /// Whether IAM has refused it. What is no call at all proves nothing.
    fn is_denied(&self, what: &Try) -> bool {
        let code = self.code();
        let is_none = ["InvalidAction", "UnknownOperationException", ""].contains(&code.as_str());
        assert!(!is_none, "{what:?}: {code} {}", self.body);
        ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"].contains(&code.as_str())
    }
}

/// Credentials.
#[derive(Clone)]
struct Who {
    key: String,
    token: Option<String>,
}

impl Who {
    fn of(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            token: None,
        }
    }
}

struct Stage {
    sim: Sim,
    role: Who,
    /// What stands for what.
    made: Vec<(&'static str, String)>,
}

impl Stage {
    fn with(statements: &[Value]) -> Self {
        let world = WorldSpec::parse(WORLD).expect("a world");
        let sim = Sim::stepped(&world).expect("a world");
        let mut stage = Self {
            sim,
            role: Who::of(CONTROLLER),
            made: Vec::new(),
        };
        stage.make();
        let edit = Edit::SetRoleStatements {
            account: ACCOUNT.to_owned(),
            role: "amiseal".to_owned(),
            statements: statements.to_vec(),
        };
        stage.sim.edit(edit).expect("the simulator knows all of it");
        let role = format!("arn:aws:iam::{ACCOUNT}:role/amiseal");
        let asked = owned(&[("RoleArn", role.as_str()), ("RoleSessionName", "test")]);
        let manager = stage.role.clone();
        let session = stage.query(&manager, REGION, ("sts", "2011-06-15"), "AssumeRole", &asked);
        assert_eq!(session.code(), "OK", "{}", session.body);
        stage.role = Who {
            key: session.one("AccessKeyId"),
            token: Some(session.one("SessionToken")),
        };
        stage
    }

    /// A copy as amiseal makes it, and two reports.
    fn make(&mut self) {
        let mut copy = owned(&copy_call(ORIGINAL, "alias/ami", "copied"));
        copy.extend(owned(&tagged_copy(ORIGINAL)));
        let copy = self.admin("CopyImage", &copy).one("imageId");
        self.sim.advance(Duration::from_secs(600));
        let reports = [(ORIGINAL, "production"), ("ami-0000000e", "another")].map(|(image, policy)| {
            let asked = owned(&report_call(image, policy));
            self.admin("CreateImageUsageReport", &asked).one("reportId")
        });
        let [report, other] = reports;
        let snapshot_of = |image: &str| {
            self.sim.with_world(|world| {
                let image = world.image(REGION, image).expect("an image");
                image.snapshot_ids().next().expect("a snapshot").to_owned()
            })
        };
        self.made = vec![
            (SNAPSHOT, snapshot_of(&copy)),
            (SOURCE_SNAPSHOT, snapshot_of(ORIGINAL)),
            (COPY, copy),
            (OTHER_REPORT, other),
            (REPORT, report),
        ];
    }

    fn admin(&self, operation: &str, parameters: &[(&'static str, String)]) -> Reply {
        let reply = self.query(&Who::of(ADMIN), REGION, EC2, operation, parameters);
        assert_eq!(reply.code(), "OK", "{operation}: {}", reply.body);
        reply
    }

    fn denies(&self, what: &Try) -> bool {
        self.denies_in(REGION, what)
    }

    fn denies_in(&self, region: &str, what: &Try) -> bool {
        let reply = match what {
            Try::Far(inner) => return self.denies_in(FAR, inner),
            Try::Copy(image, key) => return self.fails(image, key),
            Try::Ec2(operation, parameters) => {
                let mut parameters = self.filled(parameters);
                parameters.push(("DryRun", "true".to_owned()));
                let reply = self.query(&self.role, region, EC2, operation, &parameters);
                let code = reply.code();
                let known = ["DryRunOperation", "UnauthorizedOperation"];
                assert!(known.contains(&code.as_str()), "{what:?}: {code} {}", reply.body);
                reply
            }
            Try::Group(operation, parameters) => {
                let parameters = self.filled(parameters);
                self.query(
                    &self.role,
                    region,
                    ("autoscaling", "2011-01-01"),
                    operation,
                    &parameters,
                )
            }
            Try::Json(service, operation, body) => {
                let target = match *service {
                    "ssm" => format!("AmazonSSM.{operation}"),
                    "kms" => format!("TrentService.{operation}"),
                    _ => format!("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.{operation}"),
                };
                let request = Request::builder()
                    .method("POST")
                    .uri("/")
                    .header("x-amz-target", target);
                self.send(&self.role, region, service, request, body.to_string())
            }
            Try::Rest(service, method, path, body) => {
                let request = Request::builder().method(*method).uri(path.as_str());
                self.send(&self.role, region, service, request, body.to_string())
            }
        };
        reply.is_denied(what)
    }

    /// Whether a copy is denied, at once or by a key.
    fn fails(&self, image: &str, key: &str) -> bool {
        let mut parameters = owned(&copy_call(image, key, "copied again"));
        parameters.extend(owned(&tagged_copy(image)));
        let reply = self.query(&self.role, REGION, EC2, "CopyImage", &parameters);
        if reply.code() == "UnauthorizedOperation" {
            return true;
        }
        assert_eq!(reply.code(), "OK", "{}", reply.body);
        self.sim.advance(Duration::from_secs(600));
        let described = self.admin("DescribeImages", &[("ImageId.1", reply.one("imageId"))]);
        described.one("imageState") == "failed"
    }

    /// These parameters with what stands for what was made.
    fn filled(&self, parameters: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let fill = |value: &String| {
            let found = self.made.iter().find(|(name, _)| name == value);
            found.map_or_else(|| value.clone(), |(_, made)| made.clone())
        };
        parameters.iter().map(|(name, value)| (*name, fill(value))).collect()
    }

    fn query(
        &self,
        who: &Who,
        region: &str,
        (service, version): (&str, &str),
        operation: &str,
        parameters: &[(&'static str, String)],
    ) -> Reply {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", operation);
        form.append_pair("Version", version);
        for (name, value) in parameters {
            form.append_pair(name, value);
        }
        let request = Request::builder().method("POST").uri("/");
        self.send(who, region, service, request, form.finish())
    }

    fn send(
        &self,
        who: &Who,
        region: &str,
        service: &str,
        request: axum::http::request::Builder,
        body: String,
    ) -> Reply {
        let scope = format!("{}/20260101/{region}/{service}/aws4_request", who.key);
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let mut request = request.header("authorization", signed);
        if let Some(token) = &who.token {
            request = request.header("x-amz-security-token", token);
        }
        let answer = self.sim.handle(&request.body(Bytes::from(body)).expect("a request"));
        let error_type = answer.headers().get("x-amzn-errortype");
        Reply {
            status: answer.status().as_u16(),
            error_type: error_type.and_then(|text| text.to_str().ok()).map(str::to_owned),
            body: String::from_utf8_lossy(answer.body()).into_owned(),
        }
    }
}

const EC2: (&str, &str) = ("ec2", "2016-11-15");

/// CopyImage without any tag.
pub(crate) fn copy_call<'a>(image: &'a str, key: &'a str, name: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("SourceImageId", image),
        ("SourceRegion", REGION),
        ("Name", name),
        ("Encrypted", "true"),
        ("KmsKeyId", key),
    ]
}

/// The tags that a copy is made with, of this value.
pub(crate) fn tagged_copy(value: &str) -> [(&'static str, &str); 6] {
    [
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "amiseal.dev/source-image"),
        ("TagSpecification.1.Tag.1.Value", value),
        ("TagSpecification.2.ResourceType", "snapshot"),
        ("TagSpecification.2.Tag.1.Key", "amiseal.dev/source-image"),
        ("TagSpecification.2.Tag.1.Value", value),
    ]
}

/// CreateImageUsageReport for a policy.
pub(crate) fn report_call<'a>(image: &'a str, policy: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("ImageId", image),
        ("ResourceType.1.ResourceType", "ec2:Instance"),
        ("TagSpecification.1.ResourceType", "image-usage-report"),
        ("TagSpecification.1.Tag.1.Key", "amiseal.dev/policy"),
        ("TagSpecification.1.Tag.1.Value", policy),
    ]
}
