use super::*;
use crate::aws::Access;
use crate::aws::testing::{Answer, Wire, bench, open, role};
use crate::domain::{Change, Made};

#[tokio::test]
async fn a_version_that_people_have_deleted_is_made_by_another_token() {
    // How many of its tokens have made versions that are deleted, and how many calls it takes.
    for (deleted, calls) in [(0, 1), (1, 2), (3, 4), (TOKENS, TOKENS)] {
        let gone: Vec<String> = (1..=deleted).map(|number| nth_token("token", number)).collect();
        let wire = Wire::new(move |request| {
            if request
                .form
                .get("ClientToken")
                .is_some_and(|token| gone.contains(token))
            {
                return Answer::ec2_error(400, NO_VERSION, "Could not find the specified version 2");
            }
            Answer::ok(
                "<CreateLaunchTemplateVersionResponse><launchTemplateVersion><versionNumber>4</versionNumber>\
                 </launchTemplateVersion></CreateLaunchTemplateVersionResponse>",
            )
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&role(Access::Full));
        let change = Change::NewVersion(NewVersion {
            template: "lt-1".into(),
            source: 1,
            image: "ami-0123456789abcdef0".into(),
            mappings: Vec::new(),
            description: "a version".to_owned(),
            client_token: "token".to_owned(),
        });
        let made = session.change(&change).await.map_err(|error| error.class);
        let expected = if deleted < TOKENS {
            Ok(Made::Version(4))
        } else {
            Err(ErrorClass::NotFound)
        };
        assert_eq!(made, expected, "{deleted}");
        assert_eq!(wire.count("ec2:CreateLaunchTemplateVersion"), calls, "{deleted}");
        let tokens = wire
            .requests()
            .into_iter()
            .filter_map(|mut request| request.form.remove("ClientToken"));
        let expected: Vec<String> = (1..=calls).map(|number| nth_token("token", number)).collect();
        assert_eq!(tokens.collect::<Vec<_>>(), expected, "{deleted}");
    }
}
