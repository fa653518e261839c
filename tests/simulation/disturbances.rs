//! What is wrong in AWS: for a while, with a copy, or in the answer to one call.

use ec2sim::{Act, Edit, Failure as AwsFailure, FaultRule};

use super::catalogue::Fault;
use super::people;
use super::stage::{A_WHILE, Stage};
use super::world::{ACCOUNTS, PLACES, ROLE};

/// The name of the rules by which a copy is not what was asked for.
const LIE: &str = "lie";

impl Stage {
    /// Lets something in AWS be as it should not be for a while; `number` is that of the call that is struck.
    pub(super) fn disturb(&self, fault: Fault, number: u64) {
        let keys = |state: &'static str| {
            PLACES.map(|(account, region)| Edit::SetKeyState {
                account: account.to_owned(),
                region: region.to_owned(),
                key: "alias/ami".to_owned(),
                state: state.to_owned(),
            })
        };
        let grants = |allowed: &dyn Fn(&str, &str) -> Option<Vec<String>>| {
            PLACES.map(|(account, region)| Edit::SetKeyPrincipals {
                account: account.to_owned(),
                region: region.to_owned(),
                key: "alias/ami".to_owned(),
                allowed_principals: allowed(account, region),
            })
        };
        let as_before = |account: &str, region: &str| {
            let key = self.before.key(account, region, "alias/ami")?;
            key.allowed_principals.clone()
        };
        let regions = |opt_in| {
            PLACES.map(|(account, region)| Edit::SetOptIn {
                account: account.to_owned(),
                region: region.to_owned(),
                opt_in,
            })
        };
        let limits = |limit| {
            PLACES.map(|(account, region)| Edit::SetSnapshotCopyLimit {
                account: account.to_owned(),
                region: region.to_owned(),
                limit,
            })
        };
        let allow = |actions: &'static [&'static str]| {
            ACCOUNTS.map(|account| Edit::SetRoleAllow {
                account: account.to_owned(),
                role: ROLE.name.to_owned(),
                allow: actions.iter().map(|&action| action.to_owned()).collect(),
            })
        };
        let trust = |whom: &'static [&'static str]| {
            ACCOUNTS.map(|account| Edit::SetRoleTrust {
                account: account.to_owned(),
                role: ROLE.name.to_owned(),
                trust: whom.iter().map(|&one| one.to_owned()).collect(),
            })
        };
        let of_keys = [Fault::KeyDisabled, Fault::KeyPendingDeletion, Fault::KeyGrantRevoked];
        if of_keys.contains(&fault) {
            let now = self.clock.age();
            self.note(|notes| notes.settings_touched.push(now));
        }
        match fault {
            Fault::PermissionLost => self.for_a_while(allow(&ROLE.reads).to_vec(), allow(&ROLE.allow).to_vec()),
            Fault::RoleNotTrusted => {
                self.edit(Edit::ExpireSessions {});
                self.for_a_while(trust(&[]).to_vec(), trust(&ROLE.trust).to_vec());
            }
            Fault::SessionsEnded => self.edit(Edit::ExpireSessions {}),
            Fault::RegionNotEnabled => {
                use ec2sim::spec::OptIn;
                self.for_a_while(
                    regions(OptIn::NotOptedIn).to_vec(),
                    regions(OptIn::OptInNotRequired).to_vec(),
                );
            }
            Fault::KeyDisabled => self.for_a_while(keys("Disabled").to_vec(), keys("Enabled").to_vec()),
            Fault::KeyPendingDeletion => self.for_a_while(keys("PendingDeletion").to_vec(), keys("Enabled").to_vec()),
            Fault::KeyGrantRevoked => {
                let nobody = |_: &str, _: &str| Some(Vec::<String>::new());
                self.for_a_while(grants(&nobody).to_vec(), grants(&as_before).to_vec());
                self.later(A_WHILE, people::ask_for_another_attempt);
            }
            Fault::SnapshotQuotaGone => self.for_a_while(limits(0).to_vec(), limits(20).to_vec()),
            Fault::QuotaUsedUp | Fault::AnswersSlow | Fault::AccountBusy => self.answer_for_a_while(fault, number),
            Fault::ListingsLate => {
                self.sim.change_settings(|settings| {
                    let shows = &mut settings.consistency;
                    shows.create_seconds = 45.0;
                    shows.delete_seconds = 45.0;
                    shows.tag_seconds = 45.0;
                    shows.attribute_seconds = 45.0;
                });
                self.later(A_WHILE, |stage| {
                    let before = stage.settings.consistency.clone();
                    stage.sim.change_settings(|settings| settings.consistency = before);
                });
            }
            Fault::ListingsPartlyEmpty | Fault::ListingsReordered | Fault::ListingsIncomplete => {
                self.sim.change_settings(|settings| {
                    settings.pagination.unstable_order |= fault == Fault::ListingsReordered;
                    settings.pagination.largest_page = Some(1);
                    if fault == Fault::ListingsIncomplete {
                        settings.pagination.missed = 0.3;
                    }
                    if fault == Fault::ListingsPartlyEmpty {
                        settings.pagination.empty_pages = 0.6;
                    }
                });
                if fault == Fault::ListingsIncomplete {
                    self.note(|notes| notes.incomplete = true);
                }
                self.later(A_WHILE, |stage| {
                    let before = stage.settings.pagination.clone();
                    stage.sim.change_settings(|settings| settings.pagination = before);
                });
            }
            other => panic!("{other:?} does not strike at a call to AWS"),
        }
    }

    /// The copy that this call makes is not what was asked for; somebody takes it away again.
    pub(super) fn lie(&self, act: Act) {
        self.sim.add_fault(FaultRule {
            name: Some(LIE.to_owned()),
            operation: Some("CopyImage".to_owned()),
            to: Some(1),
            act,
            ..FaultRule::default()
        });
        self.later(A_WHILE, Self::take_lies_away);
    }

    /// Somebody deregisters the copies that are not what was asked for, as their migrations say they should.
    fn take_lies_away(&self) {
        let calls = self.sim.journal();
        let lies = calls.iter().filter(|call| call.fault.as_deref() == Some(LIE));
        let images: Vec<&String> = lies
            .flat_map(|call| &call.effects)
            .filter(|id| id.starts_with("ami-"))
            .collect();
        if images.is_empty() && !self.is_calm() {
            // The call that was struck did not get so far; another one will.
            self.later(A_WHILE, Self::take_lies_away);
        }
        for image in images {
            self.edit(Edit::Deregister { image: image.clone() });
        }
    }
}

/// What AWS answers to a call that is struck.
pub(super) fn answer(fault: Fault) -> Option<Act> {
    let failure = |code: &str, status, message: &str| AwsFailure {
        code: code.to_owned(),
        status,
        message: message.to_owned(),
    };
    Some(match fault {
        Fault::AwsError => Act::FailBefore(AwsFailure::default()),
        Fault::AwsErrorAfterEffect => Act::FailAfter(AwsFailure::default()),
        Fault::AwsUnavailable => Act::FailBefore(failure("Unavailable", 503, "The service is unavailable")),
        Fault::AwsThrottled => Act::Throttle,
        Fault::AwsConnectionLost => Act::DropBefore,
        Fault::AwsAnswerLost => Act::DropAfter,
        Fault::AwsEffectLater => Act::DelayEffect(90.0),
        Fault::AwsExpired => Act::FailBefore(failure(
            "ExpiredToken",
            400,
            "The security token included in the request is expired",
        )),
        Fault::AwsDenied => Act::FailBefore(failure(
            "UnauthorizedOperation",
            403,
            "You are not authorized to perform this operation.",
        )),
        _ => return None,
    })
}
