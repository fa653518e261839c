//! Endpoints and credentials from the environment. Each case is a process of its own: this test program, started once more.

use std::process::Command;
use std::sync::Arc;

use amiseal::aws::{Access, Aws};
use ec2sim::{Server, Sim};
use prometheus::Registry;

use crate::{WORLD, options, session_key};

/// Makes this test program a child that reports what it could reach.
const CHILD: &str = "AMISEAL_TEST_CHILD";

/// Reports, in a child; says nothing otherwise.
#[tokio::test]
async fn a_child_reports_what_its_environment_lets_it_reach() {
    if std::env::var_os(CHILD).is_none() {
        assert_eq!(report(&[(CHILD, "yes"), ("AWS_ENDPOINT_URL", "nonsense")]).len(), 1);
        return;
    }
    let options = options(&Registry::new(), Arc::new(|_| true));
    let aws = match Aws::new(options).await {
        Ok(aws) => aws,
        Err(error) => return println!("\nREPORT configuration: {error}"),
    };
    let session = aws.session(&session_key(Access::ReadOnly));
    let outcome = |result: Result<(), String>| result.err().unwrap_or_else(|| "ok".to_owned());
    let scan = session.scan().await.map(drop).map_err(|error| error.to_string());
    println!("\nREPORT scan: {}", outcome(scan));
    let key = session
        .resolve_key("alias/ami")
        .await
        .map(drop)
        .map_err(|error| error.to_string());
    println!("\nREPORT key: {}", outcome(key));
}

/// What a child with these variables, and no others of AWS, reports.
fn report(variables: &[(&str, &str)]) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    let name = "environment::a_child_reports_what_its_environment_lets_it_reach";
    child.args(["--exact", name, "--nocapture"]);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("AWS_") {
            child.env_remove(variable);
        }
    }
    let output = child
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env(CHILD, "yes")
        .envs(variables.iter().copied())
        .output()
        .expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("REPORT "));
    lines.map(str::to_owned).collect()
}

/// Nothing listens here.
const NOWHERE: &str = "http://127.0.0.1:9";

#[test]
fn each_service_is_called_where_its_own_variable_says() {
    let server = Server::on_loopback(Sim::from_yaml(WORLD).expect("a world")).expect("a port");
    let endpoint = server.endpoint();
    let credentials = [
        ("AWS_ACCESS_KEY_ID", "AKIACONTROLLER"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let all = ["AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_STS"];
    let reported = |services: &[&'static str], general: &str| {
        let mut variables = credentials.to_vec();
        variables.push(("AWS_ENDPOINT_URL", general));
        variables.extend(services.iter().map(|service| (*service, endpoint.as_str())));
        report(&variables)
    };
    assert_eq!(reported(&all, NOWHERE), ["scan: ok", "key: ok"]);
    assert_eq!(
        reported(&[], &endpoint),
        ["scan: ok", "key: ok"],
        "one for all is enough"
    );
    let lost = |call: &str| format!("{call}: AWS cannot be reached at 127.0.0.1:9");
    assert_eq!(
        reported(&[all[1], all[2]], NOWHERE),
        [format!("scan: {}", lost("ec2:DescribeImages")), "key: ok".to_owned()]
    );
    assert_eq!(
        reported(&[all[0], all[2]], NOWHERE),
        ["scan: ok".to_owned(), format!("key: {}", lost("kms:DescribeKey"))]
    );
    let sts = lost("sts:AssumeRole");
    assert_eq!(
        reported(&[all[0], all[1]], NOWHERE),
        [format!("scan: {sts}"), format!("key: {sts}")]
    );
}

#[test]
fn an_endpoint_that_would_send_in_the_clear_is_refused_by_its_name() {
    for variable in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_EC2",
        "AWS_ENDPOINT_URL_KMS",
        "AWS_ENDPOINT_URL_STS",
    ] {
        let reported = report(&[(variable, "http://192.0.2.1:4566")]);
        let expected = format!(
            "configuration: {variable} sends calls over plain http to 192.0.2.1; use https, http is only for loopback addresses"
        );
        assert_eq!(reported, [expected]);
    }
}

#[test]
fn a_malformed_endpoint_is_told_by_the_variable_or_the_setting_of_the_profile_that_holds_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let of_all = file("all", "[default]\nendpoint_url = http://\n");
    let of_one = file(
        "one",
        "[default]\nservices = local\nendpoint_url = https://aws.example.com\n\n[services local]\nkms =\n  endpoint_url = localhost:1\n",
    );
    for (variable, value, setting) in [
        ("AWS_ENDPOINT_URL", "http://", "AWS_ENDPOINT_URL"),
        ("AWS_ENDPOINT_URL", "localhost:1234", "AWS_ENDPOINT_URL"),
        ("AWS_ENDPOINT_URL_KMS", "http://", "AWS_ENDPOINT_URL_KMS"),
        ("AWS_CONFIG_FILE", of_all.as_str(), "endpoint_url in the AWS profile"),
        (
            "AWS_CONFIG_FILE",
            of_one.as_str(),
            "endpoint_url of kms in the services of the AWS profile",
        ),
    ] {
        let expected = format!("configuration: {setting} is not a URL such as https://host:port");
        assert_eq!(report(&[(variable, value)]), [expected], "{variable}={value}");
    }
}

#[test]
fn a_controller_without_credentials_says_so() {
    let reported = report(&[("AWS_ENDPOINT_URL", NOWHERE), ("AWS_REGION", "eu-west-1")]);
    let expected = "the controller has no AWS credentials; give its service account a role";
    assert_eq!(
        reported,
        [
            format!("scan: sts:AssumeRole: {expected}"),
            format!("key: sts:AssumeRole: {expected}")
        ]
    );
}
