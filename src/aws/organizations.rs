//! The accounts that AWS Organizations lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_organizations::types::{Account, AccountState};

use super::listing::listed;
use super::pages::Pages;
use super::provider::Aws;
use super::session::{Access, Session, SessionKey};
use crate::domain::{
    AccountId, AccountsOf, AwsError, Cause, ErrorClass, ListedAccounts, Operation, Partition, Region, Scope,
};

/// More units than an organization may have, so that a read ends whatever AWS answers.
const MOST_UNITS: usize = 5_000;

/// The region that AWS Organizations is asked in: each partition has one ("AWS Organizations endpoints and quotas").
fn home(partition: Partition) -> &'static str {
    match partition.as_str() {
        "aws-cn" => "cn-northwest-1",
        _ => partition.home(),
    }
}

impl Aws {
    /// The session by which AWS Organizations is asked for a policy in a partition: of this role, or of the controller's own identity,
    /// whose account AWS says.
    pub async fn organizations(
        &self,
        policy: &str,
        partition: Partition,
        role: Option<(&str, Option<&str>)>,
    ) -> Result<Arc<Session>, AwsError> {
        const OPERATION: Operation = Operation::AssumeRole;
        let region: Region = home(partition)
            .parse()
            .map_err(|error| AwsError::malformed(OPERATION, &error))?;
        let account = match role {
            // arn:aws:iam::111122223333:role/name
            Some((arn, _)) => {
                let account = arn.split(':').nth(4).unwrap_or_default().parse::<AccountId>();
                account.map_err(|_| AwsError::new(OPERATION, ErrorClass::Invalid, Some(Cause::RoleNotAssumable)))?
            }
            None => self.caller(&region).await?.account,
        };
        Ok(self.session(&SessionKey {
            policy: policy.to_owned(),
            scope: Scope { account, region },
            role_arn: role.map(|(arn, _)| arn.to_owned()),
            external_id: role.and_then(|(_, id)| id).map(str::to_owned),
            access: Access::ReadOnly,
        }))
    }
}

impl Session {
    /// Reads which accounts there are. A read is whole, or it fails.
    pub async fn accounts(&self, of: &AccountsOf) -> Result<ListedAccounts, AwsError> {
        let mut found = ListedAccounts::default();
        match of {
            AccountsOf::Organization => self.accounts_of_organization(&mut found).await?,
            AccountsOf::Units(units) => self.accounts_of_units(units, &mut found).await?,
        }
        Ok(found)
    }

    async fn accounts_of_organization(&self, found: &mut ListedAccounts) -> Result<(), AwsError> {
        const OPERATION: Operation = Operation::ListAccounts;
        let client = self.organizations();
        let mut pages = Pages::default();
        while pages.more() {
            let request = client.list_accounts().set_next_token(pages.token());
            let page = self.call(OPERATION, request.send()).await?;
            pages.turn(OPERATION, page.next_token)?;
            take_in(OPERATION, listed(OPERATION, page.accounts)?, found)?;
        }
        // The management account is always one. A unit may be empty.
        if found.active.is_empty() && found.others.is_empty() {
            return Err(AwsError::malformed(OPERATION, &"an organization without accounts"));
        }
        Ok(())
    }

    /// Accounts of these units, and of those below them.
    async fn accounts_of_units(&self, units: &BTreeSet<String>, found: &mut ListedAccounts) -> Result<(), AwsError> {
        let mut left: Vec<String> = units.iter().rev().cloned().collect();
        let mut seen: BTreeSet<String> = units.clone();
        while let Some(unit) = left.pop() {
            self.accounts_of_unit(&unit, found).await?;
            for below in self.units_below(&unit).await? {
                if seen.insert(below.clone()) {
                    left.push(below);
                }
            }
            if seen.len() > MOST_UNITS {
                let operation = Operation::ListOrganizationalUnitsForParent;
                return Err(AwsError::malformed(operation, &"units without an end"));
            }
        }
        Ok(())
    }

    async fn accounts_of_unit(&self, unit: &str, found: &mut ListedAccounts) -> Result<(), AwsError> {
        const OPERATION: Operation = Operation::ListAccountsForParent;
        let client = self.organizations();
        let mut pages = Pages::default();
        while pages.more() {
            let request = client.list_accounts_for_parent().parent_id(unit);
            let request = request.set_next_token(pages.token());
            let page = self.call(OPERATION, request.send()).await?;
            pages.turn(OPERATION, page.next_token)?;
            take_in(OPERATION, listed(OPERATION, page.accounts)?, found)?;
        }
        Ok(())
    }

    async fn units_below(&self, unit: &str) -> Result<Vec<String>, AwsError> {
        const OPERATION: Operation = Operation::ListOrganizationalUnitsForParent;
        let client = self.organizations();
        let mut pages = Pages::default();
        let mut below = Vec::new();
        while pages.more() {
            let request = client.list_organizational_units_for_parent().parent_id(unit);
            let request = request.set_next_token(pages.token());
            let page = self.call(OPERATION, request.send()).await?;
            pages.turn(OPERATION, page.next_token)?;
            for unit in listed(OPERATION, page.organizational_units)? {
                let id = unit.id.filter(|id| !id.is_empty());
                below.push(id.ok_or_else(|| AwsError::malformed(OPERATION, &"a unit without an ID"))?);
            }
        }
        Ok(below)
    }
}

/// An account without its state is no answer: nobody could say whether it is closed.
fn take_in(operation: Operation, accounts: Vec<Account>, found: &mut ListedAccounts) -> Result<(), AwsError> {
    for account in accounts {
        let id = account.id.unwrap_or_default();
        let id: AccountId = id.parse().map_err(|error| AwsError::malformed(operation, &error))?;
        let state = account.state;
        let state = state.ok_or_else(|| AwsError::malformed(operation, &"an account without a state"))?;
        // One that was moved while it was read may be listed twice.
        if state == AccountState::Active {
            found.others.remove(&id);
            found.active.insert(id);
        } else if !found.active.contains(&id) {
            found.others.insert(id);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ACCOUNT, Answer, Wire, bench, open};
    use super::*;

    const ROLE: &str = "arn:aws:iam::444455556666:role/lists-accounts";

    fn partition(region: &str) -> Partition {
        region.parse::<Region>().expect("a region").partition()
    }

    fn account(id: &str, state: &str) -> String {
        format!(r#"{{"Id":"{id}","State":"{state}"}}"#)
    }

    async fn read(wire: &Wire, of: &AccountsOf) -> Result<ListedAccounts, AwsError> {
        let bench = bench(wire, open()).await;
        let session = bench
            .aws
            .organizations("production", partition("eu-west-1"), None)
            .await?;
        session.accounts(of).await
    }

    fn names(accounts: &BTreeSet<AccountId>) -> Vec<&str> {
        accounts.iter().map(AccountId::as_str).collect()
    }

    #[tokio::test]
    async fn pages_are_read_to_the_last_one_and_an_empty_one_is_not_it() {
        let answers = std::sync::Mutex::new(vec![
            format!(r#"{{"Accounts":[{}]}}"#, account("333333333333", "SUSPENDED")),
            r#"{"Accounts":[],"NextToken":"b"}"#.to_owned(),
            format!(
                r#"{{"Accounts":[{},{}],"NextToken":"a"}}"#,
                account("111111111111", "ACTIVE"),
                account("222222222222", "PENDING_CLOSURE")
            ),
        ]);
        let wire = Wire::new(move |_| Answer::ok(answers.lock().expect("answers").pop().expect("a page")));
        let found = read(&wire, &AccountsOf::Organization).await.expect("all pages");
        assert_eq!(names(&found.active), ["111111111111"]);
        assert_eq!(names(&found.others), ["222222222222", "333333333333"]);
        assert_eq!(wire.count("organizations:ListAccounts"), 3);
    }

    #[tokio::test]
    async fn units_are_read_with_those_below_them_once_each() {
        let wire = Wire::new(|request| match request.call.as_str() {
            "organizations:ListAccountsForParent" => {
                Answer::ok(format!(r#"{{"Accounts":[{}]}}"#, account(ACCOUNT, "ACTIVE")))
            }
            // A unit that would be its own child is read no second time.
            _ => Answer::ok(r#"{"OrganizationalUnits":[{"Id":"ou-ab12-aaaaaaaa"},{"Id":"ou-ab12-bbbbbbbb"}]}"#),
        });
        let of = AccountsOf::Units(["ou-ab12-aaaaaaaa".to_owned()].into());
        let found = read(&wire, &of).await.expect("both units");
        assert_eq!(names(&found.active), [ACCOUNT]);
        assert_eq!(wire.count("organizations:ListAccountsForParent"), 2);
        assert_eq!(wire.count("organizations:ListOrganizationalUnitsForParent"), 2);
    }

    #[tokio::test]
    async fn an_answer_that_lacks_something_or_a_page_that_fails_is_no_empty_list() {
        for body in [
            "{}",
            r#"{"Accounts":[]}"#,
            r#"{"Accounts":[{"Id":"111111111111"}]}"#,
            r#"{"Accounts":[{"Id":"1","State":"ACTIVE"}]}"#,
            r#"{"Accounts":[{"State":"ACTIVE"}]}"#,
        ] {
            let wire = Wire::new(move |_| Answer::ok(body));
            assert!(read(&wire, &AccountsOf::Organization).await.is_err(), "{body}");
        }
        for (code, class) in [
            ("AccessDeniedException", ErrorClass::Denied),
            ("AWSOrganizationsNotInUseException", ErrorClass::Invalid),
            ("ParentNotFoundException", ErrorClass::NotFound),
            ("TooManyRequestsException", ErrorClass::Throttled),
        ] {
            let wire = Wire::new(move |_| Answer::Reply(400, format!(r#"{{"__type":"{code}"}}"#)));
            let of = AccountsOf::Units(["ou-ab12-aaaaaaaa".to_owned()].into());
            let error = read(&wire, &of).await.expect_err("refused");
            assert_eq!((error.class, error.code.as_deref()), (class, Some(code)));
        }
    }

    #[tokio::test]
    async fn a_role_is_assumed_in_its_own_account_and_each_partition_has_its_region() {
        for (region, home) in [
            ("eu-west-1", "us-east-1"),
            ("cn-north-1", "cn-northwest-1"),
            ("us-gov-east-1", "us-gov-west-1"),
        ] {
            let wire = Wire::new(|_| Answer::ok(r#"{"Accounts":[]}"#));
            let bench = bench(&wire, open()).await;
            let role = Some((ROLE, Some("platform")));
            let session = bench.aws.organizations("production", partition(region), role).await;
            let session = session.expect("a session");
            let key = session.key();
            assert_eq!(key.scope.to_string(), format!("444455556666 {home}"));
            assert_eq!(
                (key.role_arn.as_deref(), key.external_id.as_deref()),
                (Some(ROLE), Some("platform"))
            );
            assert_eq!(wire.requests().len(), 0, "nobody is asked before the accounts are");
        }
        let wire = Wire::new(|_| Answer::ok("{}"));
        let bench = bench(&wire, open()).await;
        let refused = bench
            .aws
            .organizations("p", partition("eu-west-1"), Some(("role", None)))
            .await;
        assert!(refused.expect_err("no ARN").is(Cause::RoleNotAssumable));
    }
}
