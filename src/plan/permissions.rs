//! What the role must be allowed before copies are asked for: what to ask about, when, and what follows.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::obstacle::Problem;
use crate::api::conditions::reason;
use crate::api::labels::TAG_SOURCE_IMAGE;
use crate::api::{AMIEncryptionPolicySpec, AMIEncryptionTargetSpec, Mode};
use crate::domain::{Image, ImageState, Inventory, MissingPermissions};

/// After how long it is asked again whether the role may do what it could not.
pub const ASK_AGAIN: Duration = Duration::from_secs(600);
/// How soon it is asked again where nothing was missing and a call was denied: many may be, one after the other.
const ASK_IN_DOUBT: Duration = Duration::from_secs(60);

/// Whether a target's policy only looks by now, or is suspended, and the target has not heard of it yet. What it would do until then is
/// what nobody asks for any more: not even a session that may change something.
pub fn is_withdrawn(policy: &AMIEncryptionPolicySpec, target: &AMIEncryptionTargetSpec) -> bool {
    policy.mode == Mode::Audit && target.mode == Mode::Enforce || policy.suspend && !target.suspend
}

/// Whether anything may be changed for a target: its policy asks for it, and so does the target, which may not have heard of the
/// policy's last change yet.
pub fn asks_for_changes(policy: &AMIEncryptionPolicySpec, target: &AMIEncryptionTargetSpec) -> bool {
    let asks = |mode, suspend: bool| mode == Mode::Enforce && !suspend;
    asks(policy.mode, policy.suspend) && asks(target.mode, target.suspend)
}

/// What is known of the role's permissions in an account and region, and when to ask again.
///
/// It is asked while something is missing or in doubt, and at most every so often: not with every call that is denied.
#[derive(Debug, Default)]
pub struct PermissionCheck {
    /// The last answer.
    lacking: Option<MissingPermissions>,
    /// Whether it may not hold any more.
    doubted: bool,
    /// Not before then.
    due: Option<Timestamp>,
    failures: u32,
    /// Why AWS, which was asked and has never answered, did not, and whether an answer may be had.
    unanswered: Option<(Problem, bool)>,
}

impl PermissionCheck {
    /// The last answer.
    pub fn lacking(&self) -> Option<&MissingPermissions> {
        self.lacking.as_ref()
    }

    /// Whether the last answer may not hold any more.
    pub fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// A call was denied that was allowed before.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }

    /// After a scan what was missing may have been allowed. Whoever has asked for the scan may just have done that.
    pub fn scanned(&mut self, is_asked_for: bool) {
        self.doubted |= self.lacking.as_ref().is_some_and(|lacking| !lacking.is_empty());
        if is_asked_for {
            self.due = None;
        }
    }

    /// A copy is there to ask about what could not be asked about the original.
    pub fn copied(&mut self) {
        let untagged = self.lacking.as_ref().map(|lacking| &lacking.untagged);
        if untagged.is_some_and(|actions| !actions.is_empty()) {
            self.doubted = true;
            self.due = None;
        }
    }

    /// Whether it is to be asked now, if there is anything to migrate.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.is_wanting() && self.due.is_none_or(|due| due <= now)
    }

    /// When it is to be asked, if that is to come.
    pub fn due(&self) -> Option<Timestamp> {
        self.due.filter(|_| self.is_wanting())
    }

    /// AWS has answered. Says whether otherwise than before.
    pub fn answered(&mut self, lacking: MissingPermissions, now: Timestamp) -> bool {
        let changed = self.lacking.as_ref() != Some(&lacking);
        let wait = if lacking.is_empty() { ASK_IN_DOUBT } else { ASK_AGAIN };
        *self = Self {
            due: Some(now + wait),
            lacking: Some(lacking),
            ..Self::default()
        };
        changed
    }

    /// AWS could not be asked, which is to be tried again after what `wait` says of the `n`th failure in a row. `problem`
    /// says why, and `may_come` whether an answer may be had then.
    pub fn failed(&mut self, now: Timestamp, problem: Problem, may_come: bool, wait: impl FnOnce(u32) -> Duration) {
        self.failures += 1;
        self.due = Some(now + wait(self.failures));
        self.unanswered = self.lacking.is_none().then_some((problem, may_come));
    }

    /// Why copies have to wait for an answer. Where none can be had they do not: AWS denies what it denies.
    pub fn unanswered(&self) -> Option<&Problem> {
        let waits = self.unanswered.as_ref().filter(|(_, may_come)| *may_come);
        waits.map(|(problem, _)| problem)
    }

    /// Why no answer can be had.
    pub fn unanswerable(&self) -> Option<&Problem> {
        let ends = self.unanswered.as_ref().filter(|(_, may_come)| !may_come);
        ends.map(|(problem, _)| problem)
    }

    fn is_wanting(&self) -> bool {
        self.doubted || self.lacking.as_ref().is_none_or(|lacking| !lacking.is_empty())
    }
}

/// What stands in the way of asking for any copy.
pub fn obstacle(lacking: &MissingPermissions) -> Option<Problem> {
    let actions = &lacking.certain;
    (!actions.is_empty()).then(|| {
        Problem::new(
            reason::ACCESS_DENIED,
            format!("The role lacks permissions: grant {} to the role.", sentence(actions)),
        )
    })
}

/// How many denials in a row are forgiven at once, where the role may do all that migrating needs: any number where that is `news`;
/// else one, as IAM may not have come to it everywhere. What is denied all the same is waited out.
pub fn forgives(news: bool) -> u32 {
    if news { u32::MAX } else { 1 }
}

/// What may come to stand in the way once a copy is there.
pub fn doubt(lacking: &MissingPermissions) -> Option<Problem> {
    unconfirmed(&lacking.untagged).map(|message| Problem::new(reason::PERMISSIONS_UNCONFIRMED, message))
}

/// What is to be said of actions that AWS denies for an image without amiseal's tags: rights that are for copies alone look like that.
pub fn unconfirmed(actions: &[&str]) -> Option<String> {
    (!actions.is_empty()).then(|| {
        format!(
            "AWS denies {actions} for an image without the tag {TAG_SOURCE_IMAGE}, as the rights that amiseal iam-policy prints do. \
             amiseal asks again once there is a copy: until then, make sure that the role has them for images and snapshots with \
             that tag.",
            actions = sentence(actions)
        )
    })
}

/// A copy of amiseal's, to ask about what is done with copies only. The tag may be forged: nothing is done by a dry run.
pub fn sample_copy(inventory: &Inventory) -> Option<&Arc<Image>> {
    let ours = |image: &&Arc<Image>| {
        image.state == ImageState::Available && image.copied_from.is_some() && image.tags.contains_key(TAG_SOURCE_IMAGE)
    };
    inventory.images.values().find(ours)
}

/// Actions as part of a sentence.
fn sentence(actions: &[&str]) -> String {
    match actions {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Tags;
    use crate::plan::testing::{World, at, encrypted_copy, image, key};

    #[test]
    fn nothing_is_changed_for_a_policy_or_a_target_that_only_looks_or_is_suspended() {
        let policy: AMIEncryptionPolicySpec =
            serde_json::from_value(serde_json::json!({"mode": "Enforce", "accounts": []})).expect("a policy");
        let target: AMIEncryptionTargetSpec = serde_json::from_value(serde_json::json!({
            "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami", "mode": "Enforce",
            "scanInterval": "15m", "otherKey": "Report", "promotion": {},
            "copy": {"namePattern": "{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 3},
        }))
        .expect("a target");
        for (mode, suspend, asks) in [
            (Mode::Enforce, false, true),
            (Mode::Enforce, true, false),
            (Mode::Audit, false, false),
        ] {
            let changed = AMIEncryptionPolicySpec {
                mode,
                suspend,
                ..policy.clone()
            };
            assert_eq!(
                asks_for_changes(&changed, &target),
                asks,
                "the policy is {mode:?}, {suspend}"
            );
            let changed = AMIEncryptionTargetSpec {
                mode,
                suspend,
                ..target.clone()
            };
            assert_eq!(
                asks_for_changes(&policy, &changed),
                asks,
                "the target is {mode:?}, {suspend}"
            );
        }
    }

    #[test]
    fn a_target_that_has_not_heard_that_its_policy_asks_for_less_is_withdrawn_and_one_that_asks_for_less_is_not() {
        let policy: AMIEncryptionPolicySpec =
            serde_json::from_value(serde_json::json!({"accounts": []})).expect("a policy");
        let target: AMIEncryptionTargetSpec = serde_json::from_value(serde_json::json!({
            "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami", "mode": "Enforce",
            "scanInterval": "15m", "otherKey": "Report", "promotion": {},
            "copy": {"namePattern": "{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 3},
        }))
        .expect("a target");
        let (enforces, looks) = ((Mode::Enforce, false), (Mode::Audit, false));
        let (sleeps, sleeps_looking) = ((Mode::Enforce, true), (Mode::Audit, true));
        let table = [
            (enforces, enforces, false),
            (looks, enforces, true),
            (sleeps, enforces, true),
            (sleeps_looking, looks, true),
            (looks, looks, false),
            (enforces, looks, false),
            (enforces, sleeps, false),
            (looks, sleeps, true),
            (sleeps, sleeps, false),
        ];
        for ((policy_mode, policy_suspend), (mode, suspend), is) in table {
            let mut changed = (policy.clone(), target.clone());
            (changed.0.mode, changed.0.suspend) = (policy_mode, policy_suspend);
            (changed.1.mode, changed.1.suspend) = (mode, suspend);
            let case = format!("the policy is {policy_mode:?}, {policy_suspend}, the target {mode:?}, {suspend}");
            assert_eq!(is_withdrawn(&changed.0, &changed.1), is, "{case}");
        }
    }

    #[test]
    fn permissions_are_asked_until_none_is_missing_and_again_in_doubt_but_never_too_soon() {
        let lacking = |certain: &[&'static str], untagged: &[&'static str]| MissingPermissions {
            certain: certain.to_vec(),
            untagged: untagged.to_vec(),
        };
        let soon = i64::try_from(ASK_AGAIN.as_secs()).expect("seconds");
        let mut permission_check = PermissionCheck::default();
        assert!(permission_check.is_due(at(0)), "nothing is known");
        let throttled = Problem::new(reason::THROTTLED, "Too many calls.");
        permission_check.failed(at(0), throttled.clone(), true, |failures| {
            Duration::from_secs(10 * u64::from(failures))
        });
        assert!(!permission_check.is_due(at(9)) && permission_check.is_due(at(10)));
        assert_eq!(permission_check.unanswered(), Some(&throttled), "an answer may come");
        assert_eq!(permission_check.unanswerable(), None);
        let refused = Problem::new(reason::INVALID_REQUEST, "AWS refuses dry runs.");
        permission_check.failed(at(10), refused.clone(), false, |failures| {
            Duration::from_secs(10 * u64::from(failures))
        });
        assert!(
            !permission_check.is_due(at(29)) && permission_check.is_due(at(30)),
            "the second in a row"
        );
        assert_eq!(permission_check.unanswered(), None, "none can be had");
        assert_eq!(permission_check.unanswerable(), Some(&refused), "and that is said");

        permission_check.failed(at(30), throttled.clone(), true, |_| Duration::ZERO);
        assert!(
            permission_check.answered(lacking(&["ec2:A"], &[]), at(30)),
            "it is news"
        );
        assert_eq!(permission_check.unanswered(), None);
        permission_check.failed(at(30), throttled, true, |_| ASK_AGAIN);
        assert_eq!(permission_check.unanswered(), None, "the last answer stands");
        permission_check.failed(at(30), refused, false, |_| ASK_AGAIN);
        assert_eq!(permission_check.unanswerable(), None, "as well");
        assert!(!permission_check.is_due(at(29 + soon)) && permission_check.is_due(at(30 + soon)));
        assert!(
            !permission_check.answered(lacking(&["ec2:A"], &[]), at(700)),
            "it is no news"
        );

        assert!(permission_check.answered(MissingPermissions::default(), at(1400)));
        assert_eq!(
            (permission_check.is_due(at(9999)), permission_check.due()),
            (false, None),
            "nothing is missing"
        );
        permission_check.scanned(true);
        assert!(!permission_check.is_due(at(9999)), "a scan is no reason to doubt that");
        permission_check.answered(MissingPermissions::default(), at(1400));
        permission_check.doubt();
        assert!(!permission_check.is_due(at(1459)) && permission_check.is_due(at(1460)));

        permission_check.answered(lacking(&["ec2:A"], &[]), at(2000));
        permission_check.scanned(false);
        assert!(!permission_check.is_due(at(2001)));
        permission_check.scanned(true);
        assert!(permission_check.is_due(at(2001)), "somebody may have granted it");

        permission_check.answered(lacking(&[], &["ec2:A"]), at(3000));
        permission_check.copied();
        assert!(permission_check.is_due(at(3000)), "now there is a copy to ask about");
    }

    #[test]
    fn what_is_certainly_denied_stands_in_the_way_and_is_named_one_by_one() {
        let lacking = |certain: &[&'static str], untagged: &[&'static str]| MissingPermissions {
            certain: certain.to_vec(),
            untagged: untagged.to_vec(),
        };
        assert_eq!(
            (
                obstacle(&MissingPermissions::default()),
                doubt(&MissingPermissions::default())
            ),
            (None, None)
        );
        let cases = [
            (&["ec2:A"][..], "grant ec2:A to the role."),
            (&["ec2:A", "ec2:B"], "grant ec2:A and ec2:B to the role."),
            (
                &["ec2:A", "ec2:B", "ec2:C"],
                "grant ec2:A, ec2:B and ec2:C to the role.",
            ),
        ];
        for (actions, words) in cases {
            let problem = obstacle(&lacking(actions, &[])).expect("an obstacle");
            assert_eq!(problem.reason, reason::ACCESS_DENIED);
            assert!(problem.message.ends_with(words), "{}", problem.message);
        }
        let doubtful = lacking(&[], &["ec2:A"]);
        assert_eq!(obstacle(&doubtful), None);
        let doubt = doubt(&doubtful).expect("a doubt");
        assert_eq!(doubt.reason, reason::PERMISSIONS_UNCONFIRMED);
        let said = doubt.message;
        assert!(said.starts_with("AWS denies ec2:A for an image without"), "{said}");
    }

    #[test]
    fn what_is_done_with_copies_is_asked_about_one_of_ours() {
        let source = image(1, 1);
        assert_eq!(sample_copy(&World::of([source.clone()]).inventory(at(0))), None);
        let mut world = World::of([source.clone()]);
        encrypted_copy(&source, 101, &key(1), &mut world);
        let mut inventory = world.inventory(at(0));
        let copy = inventory
            .images
            .values()
            .find(|i| i.copied_from.is_some())
            .cloned()
            .expect("a copy");
        let with = |inventory: &mut Inventory, tagged: bool, state| {
            let mut copy = (*copy).clone();
            copy.state = state;
            copy.tags = Tags::default();
            if tagged {
                copy.tags.insert(TAG_SOURCE_IMAGE.into(), source.id.as_str().into());
            }
            inventory.insert(copy);
            sample_copy(inventory).is_some()
        };
        assert!(with(&mut inventory, true, ImageState::Available));
        assert!(!with(&mut inventory, false, ImageState::Available));
        assert!(!with(&mut inventory, true, ImageState::Failed));
    }
}
