//! What is read page by page, and in parts that AWS accepts.

use super::*;

#[tokio::test]
async fn a_scan_reads_on_through_empty_pages() {
    let wire = Wire::new(|request| {
        let token = request.form.get("NextToken").map(String::as_str);
        match (request.call.as_str(), token) {
            ("ec2:DescribeImages", None) => page("imagesSet", &[], "1"),
            ("ec2:DescribeImages", Some("1")) => {
                page("imagesSet", &[image("ami-00000001"), image("ami-00000002")], "2")
            }
            ("ec2:DescribeImages", Some("2")) => page("imagesSet", &[], "3"),
            ("ec2:DescribeImages", _) => page("imagesSet", &[image("ami-00000003")], ""),
            _ => page("snapshotSet", &[], ""),
        }
    });
    let bench = bench(&wire, open()).await;
    let found = bench.aws.session(&own(Access::ReadOnly)).scan().await.expect("a scan");
    let ids: Vec<_> = found.images.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["ami-00000001", "ami-00000002", "ami-00000003"]);
    let requests = wire.requests();
    let images: Vec<_> = requests.iter().filter(|r| r.call == "ec2:DescribeImages").collect();
    let in_parts = |request: &&&Request| request.form.contains_key("Filter.1.Name");
    assert_eq!(images.iter().filter(|request| !in_parts(request)).count(), 4);
    for request in images {
        for (name, value) in [
            ("Owner.1", "self"),
            ("IncludeDisabled", "true"),
            ("IncludeDeprecated", "true"),
            ("MaxResults", "1000"),
        ] {
            assert_eq!(request.form.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
}

#[tokio::test]
async fn one_page_that_fails_or_one_image_that_makes_no_sense_fails_the_scan() {
    let broken = || Answer::ec2_error(403, "UnauthorizedOperation", "no");
    let odd = || page("imagesSet", &["<item><imageId>ami-1</imageId></item>".to_owned()], "");
    for (second, class) in [
        (
            Box::new(broken) as Box<dyn Fn() -> Answer + Send + Sync>,
            ErrorClass::Denied,
        ),
        (Box::new(odd), ErrorClass::Invalid),
    ] {
        let wire = Wire::new(move |request| match request.form.get("NextToken") {
            _ if request.call == "ec2:DescribeSnapshots" => page("snapshotSet", &[], ""),
            None => page("imagesSet", &[image("ami-00000001")], "1"),
            Some(_) => second(),
        });
        let bench = bench(&wire, open()).await;
        let error = bench
            .aws
            .session(&own(Access::ReadOnly))
            .scan()
            .await
            .expect_err("a fault");
        assert_eq!(error.class, class);
    }
}

#[tokio::test]
async fn many_ids_are_asked_for_in_calls_that_aws_accepts() {
    let wire = Wire::new(nothing);
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::ReadOnly));
    let sources: Vec<_> = (0..450)
        .map(|n| format!("ami-{n:08x}").parse().expect("an image"))
        .collect();
    let (_, images, snapshots) = session.copies_of(&sources, &[]).await.expect("a look");
    assert!(images.is_empty() && snapshots.is_empty());
    let requests = wire.requests();
    let sizes: Vec<_> = requests
        .iter()
        .filter(|r| r.call == "ec2:DescribeImages")
        .map(|r| r.form.keys().filter(|name| name.starts_with("Filter.1.Value.")).count())
        .collect();
    assert_eq!(sizes, [200, 200, 50]);
    assert_eq!(wire.count("ec2:DescribeSnapshots"), 0, "nothing was asked about");
    assert!(session.images(&[]).await.expect("nothing").is_empty());
}
