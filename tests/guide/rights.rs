//! The policies for IAM and KMS that the guide shows.

use std::collections::BTreeSet;

use ec2sim::{Call, WorldSpec};
use serde_json::Value;

use crate::document::{Step, What};

/// The account of the cluster's identities, which the policies are for.
const CLUSTER: &str = "999900001111";
/// The statements that only look, as mode Audit takes them, with those of findings.
const LOOKING: [&str; 17] = [
    "LookAtImages",
    "LookAtSharing",
    "LookAtKeys",
    "SeeWhatLaunches",
    "SeeGroups",
    "ListParameters",
    "ReadParameters",
    "ListClusters",
    "SeeNodeGroups",
    "SeeComputeEnvironments",
    "ListRecipes",
    "ReadRecipes",
    "SeeGuardrails",
    "SeeKeyRotation",
    "SeeWhoMayUseKeys",
    "ListTrails",
    "SeeTrails",
];
/// The statements on images, and on the keys as such.
const OF_IMAGES: [&str; 8] = [
    "LookAtImages",
    "LookAtSharing",
    "LookAtKeys",
    "CopyImages",
    "TagCopies",
    "PublishOnCopies",
    "SealCopies",
    "RemoveFailedCopies",
];
const WHO_AM_I: &str = "sts:GetCallerIdentity";

/// The policies, each by the file that it is in.
pub(crate) struct Rights {
    /// What the controller itself may do.
    controller: Value,
    /// Who may assume the role in each account.
    trust: Value,
    /// What that role may do.
    role: Value,
    /// What a key's policy says besides.
    key: Value,
}

impl Rights {
    pub(crate) fn read(steps: &[Step]) -> Self {
        let file = |wanted: &str| {
            let text = steps.iter().find_map(|step| match &step.what {
                What::File { name, text } if name == wanted => Some(text),
                _ => None,
            });
            let text = text.unwrap_or_else(|| panic!("the guide has no {wanted}"));
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{wanted} is no JSON: {error}"))
        };
        Self {
            controller: file("controller.json"),
            trust: file("trust.json"),
            role: file("role.json"),
            key: file("key.json"),
        }
    }

    /// Gives the identities and roles of a world what the policies say, and no more.
    pub(crate) fn give(&self, world: &mut WorldSpec) {
        let may: Vec<String> = actions(&self.controller).into_iter().collect();
        let identities = world.identities.iter_mut();
        for identity in identities.filter(|identity| identity.account == CLUSTER) {
            identity.allow = may.clone();
        }
        let statement = &self.trust["Statement"][0];
        let trusted = texts(&statement["Principal"]["AWS"]);
        let external_id = statement["Condition"]["StringEquals"]["sts:ExternalId"].as_str();
        let tags = actions(&self.trust).contains("sts:TagSession");
        let allow: Vec<String> = actions(&self.role).into_iter().collect();
        for role in world.accounts.iter_mut().flat_map(|account| &mut account.roles) {
            role.external_id = external_id.map(str::to_owned);
            role.session_tags = tags;
            role.allow = allow.clone();
            // One account of the world trusts somebody else, and comes to trust these later.
            if role.trust.is_empty() {
                role.trust = trusted.iter().cloned().collect();
            }
        }
    }

    /// The role's rights are those that were made use of: each is in the journal, or one that EC2 needs for a copy.
    pub(crate) fn assert_all_are_used(&self, journal: &[Call], world: &WorldSpec) {
        let calls = || journal.iter().filter(|call| is_of_role(call));
        let mut used: BTreeSet<String> = calls().map(action).collect();
        // A copy that is tagged as it is made takes the right to tag.
        let tags = calls().any(|call| call.params.keys().any(|name| name.starts_with("TagSpecification.")));
        used.extend(tags.then(|| "ec2:CreateTags".to_owned()));
        // AWS looks into recipes on its own when it is asked what names an image.
        let asks = calls().any(|call| call.operation == "DescribeImageReferences");
        let recipes = ["imagebuilder:GetImageRecipe", "imagebuilder:GetContainerRecipe"];
        used.extend(recipes.into_iter().filter(|_| asks).map(str::to_owned));
        // Everybody may ask who they are.
        used.remove(WHO_AM_I);
        used.extend(world.settings.copies.key_actions.iter().cloned());
        assert_eq!(
            actions(&self.role),
            used,
            "the actions of role.json, and those that are used"
        );

        let asked: BTreeSet<String> = ["sts:AssumeRole", "sts:TagSession"].map(str::to_owned).into();
        assert_eq!(actions(&self.controller), asked, "the actions of controller.json");
        assert_eq!(actions(&self.trust), asked, "the actions of trust.json");
        assert!(journal.iter().any(|call| call.operation == "AssumeRole"));
    }

    /// Until the first copy is made, the statements that only look are all that is made use of, dry runs aside.
    pub(crate) fn assert_looking_is_enough_for_audit(&self, journal: &[Call]) {
        let look: BTreeSet<String> = LOOKING.into_iter().flat_map(|name| self.actions_of(name)).collect();
        let first = journal
            .iter()
            .position(|call| call.operation == "CopyImage" && !call.dry_run);
        let before = &journal[..first.expect("a copy")];
        let before = before
            .iter()
            .filter(|call| !call.dry_run && is_of_role(call))
            .map(action);
        let more: BTreeSet<String> = before.filter(|action| !look.contains(action)).collect();
        assert_eq!(more, [WHO_AM_I.to_owned()].into(), "everybody may ask who they are");
    }

    /// What the role may do with images stands in the README too.
    pub(crate) fn role_actions(&self) -> BTreeSet<String> {
        OF_IMAGES.into_iter().flat_map(|name| self.actions_of(name)).collect()
    }

    /// The actions of the role's statement of this name.
    fn actions_of(&self, name: &str) -> BTreeSet<String> {
        let statements = self.role["Statement"].as_array().expect("statements");
        let statement = statements.iter().find(|statement| statement["Sid"] == name);
        let statement = statement.unwrap_or_else(|| panic!("no statement is called {name}"));
        texts(&statement["Action"]).iter().cloned().collect()
    }

    /// Whoever launches from an encrypted image needs these rights to its key ("Requirements for Amazon EBS encryption" in the user
    /// guide of Amazon EBS).
    pub(crate) fn assert_launching_is_allowed(&self) {
        let needed = [
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ];
        let needed: BTreeSet<String> = needed.map(str::to_owned).into();
        assert_eq!(actions(&self.key), needed);
        for statement in self.key["Statement"].as_array().expect("statements") {
            let grants = texts(&statement["Action"]).contains("kms:CreateGrant");
            let narrowed = statement["Condition"]["Bool"]["kms:GrantIsForAWSResource"] == "true";
            assert_eq!(grants, narrowed, "grants are only for AWS's own use: {statement}");
        }
    }
}

/// Whether the role in one of the accounts made a call.
fn is_of_role(call: &Call) -> bool {
    call.principal.contains(":assumed-role/amiseal/")
}

fn action(call: &Call) -> String {
    format!("{}:{}", call.service, call.operation)
}

/// The actions that a policy's statements allow.
fn actions(policy: &Value) -> BTreeSet<String> {
    assert_eq!(policy["Version"], "2012-10-17");
    let statements = policy["Statement"].as_array().expect("statements");
    let allowed = statements.iter().flat_map(|statement| {
        assert_eq!(statement["Effect"], "Allow");
        texts(&statement["Action"])
    });
    allowed.collect()
}

/// One text, or several.
fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(one) => BTreeSet::from([one.clone()]),
        Value::Array(several) => several.iter().flat_map(texts).collect(),
        other => panic!("{other} is neither a text nor a list of texts"),
    }
}
