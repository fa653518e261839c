//! Who the controller itself is, before there is a policy: no role is assumed, and no account is expected.

use super::called;
use super::provider::Aws;
use super::session::Identity;
use crate::domain::{AwsError, Operation, Partition, Region};

impl Aws {
    /// Asks the region's STS whose credentials these are, which needs no right.
    pub async fn caller(&self, region: &Region) -> Result<Identity, AwsError> {
        const OPERATION: Operation = Operation::GetCallerIdentity;
        let config = aws_sdk_sts::config::Builder::from(self.config())
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .retry_classifier(self.renewal());
        let request = aws_sdk_sts::Client::from_conf(config.build());
        let answer = called::answer(OPERATION, Box::pin(request.get_caller_identity().send())).await?;
        let account = answer.account.unwrap_or_default();
        Ok(Identity {
            account: account.parse().map_err(|e| AwsError::malformed(OPERATION, &e))?,
            arn: answer.arn.unwrap_or_default(),
        })
    }

    /// The region that environment or profile name.
    pub fn own_region(&self) -> Option<String> {
        self.config().region().map(ToString::to_string)
    }

    /// The partition of that region, which is the one that the own credentials are of.
    pub fn own_partition(&self) -> Option<Partition> {
        let region = self.own_region()?.parse::<Region>().ok()?;
        Some(region.partition())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ACCOUNT, Answer, REGION, Wire, bench, identity, open};
    use crate::domain::Cause;

    #[tokio::test]
    async fn the_caller_is_who_sts_says_and_one_call_asks() {
        let wire = Wire::raw(|_| Answer::ok(identity(ACCOUNT)));
        let bench = bench(&wire, open()).await;
        let caller = bench.aws.caller(&REGION.parse().expect("a region")).await;
        let caller = caller.expect("an identity");
        assert_eq!(
            (caller.account.as_str(), caller.arn.as_str()),
            (ACCOUNT, "arn:aws:iam::111122223333:user/u")
        );
        assert_eq!(wire.count("sts:GetCallerIdentity"), 1);
        assert_eq!(wire.requests().len(), 1);
    }

    #[tokio::test]
    async fn an_sts_that_cannot_be_reached_or_refuses_is_told_apart() {
        let region = REGION.parse().expect("a region");
        let wire = Wire::raw(|_| Answer::Unreachable);
        let error = bench(&wire, open())
            .await
            .aws
            .caller(&region)
            .await
            .expect_err("silence");
        assert!(error.is(Cause::Unreachable), "{error}");
        let refused = |_: &_| Answer::sts_error(403, "InvalidClientTokenId", "The security token is invalid.");
        let wire = Wire::raw(refused);
        let error = bench(&wire, open())
            .await
            .aws
            .caller(&region)
            .await
            .expect_err("a refusal");
        assert!(!error.is(Cause::Unreachable), "{error}");
        assert!(error.to_string().starts_with("sts:GetCallerIdentity: "), "{error}");
    }
}
