//! Migrations of the cluster, read and changed with the rights of whoever runs the command.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::api::AMIMigration;
use crate::cli::check::unreadable;
use crate::cli::listing::all;

/// Whose the fields are that are written.
const FIELD_MANAGER: &str = "amiseal-cli";
/// What migrations are called in URLs.
const PLURAL: &str = "amimigrations";

/// Why a decision is not on record.
pub(super) enum Failure {
    /// Somebody has changed the migration since it was read.
    Conflict,
    /// Something else, in a sentence.
    Said(String),
}

/// The migrations of a cluster.
pub(super) struct Migrations {
    client: Client,
    api: Api<AMIMigration>,
}

impl Migrations {
    pub(super) fn of(client: Client) -> Self {
        Self {
            api: Api::all(client.clone()),
            client,
        }
    }

    /// All that have these labels.
    pub(super) async fn list(&self, selector: Option<&str>) -> Result<Vec<AMIMigration>, String> {
        all(&self.client, PLURAL, selector).await
    }

    /// The migration of this name.
    pub(super) async fn get(&self, name: &str) -> Result<AMIMigration, String> {
        self.api.get(name).await.map_err(|error| match &error {
            kube::Error::Api(status) if status.code == 404 && status.message.contains(name) => {
                format!("there is no migration {name}: kubectl get amim lists them.")
            }
            error => unreadable(PLURAL, error),
        })
    }

    /// Who the caller is, as the API server knows them.
    pub(super) async fn user(&self) -> Result<String, String> {
        let api = Api::<SelfSubjectReview>::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &SelfSubjectReview::default()).await;
        let answer = answer.map_err(|error| format!("the API server does not say who you are: {error}."))?;
        let user = answer.status.and_then(|status| status.user_info?.username);
        user.filter(|user| !user.is_empty())
            .ok_or_else(|| "the API server does not say who you are: sign in to the cluster.".to_owned())
    }

    /// Writes a change of the spec, unless somebody has changed the migration since it was read.
    pub(super) async fn write(
        &self,
        read: &AMIMigration,
        change: Value,
        dry_run: bool,
    ) -> Result<AMIMigration, Failure> {
        let patch = json!({"metadata": {"resourceVersion": read.resource_version()}, "spec": change});
        let parameters = PatchParams {
            dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let written = self.api.patch(&name(read), &parameters, &Patch::Merge(patch)).await;
        written.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 409 => Failure::Conflict,
            kube::Error::Api(status) => Failure::Said(status.message.clone()),
            error => Failure::Said(unreadable(PLURAL, &error)),
        })
    }
}

/// A migration's name.
pub(super) fn name(migration: &AMIMigration) -> String {
    migration.name_any()
}
