//! The certificates of one control plane: an authority, the API server's, and two clients'.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rcgen::{KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};

/// A certificate and its key, as PEM files.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Everything that is signed before the start.
#[derive(Debug)]
pub(crate) struct Pki {
    pub(crate) authority: PathBuf,
    pub(crate) server: Certificate,
    /// A member of `system:masters`: may do everything.
    pub(crate) admin: Certificate,
    pub(crate) controller_manager: Certificate,
    /// The key that signs service account tokens.
    pub(crate) tokens: PathBuf,
    /// Its public half.
    pub(crate) tokens_public: PathBuf,
}

impl Pki {
    /// Makes all keys and certificates and writes them into `directory`.
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        std::fs::create_dir(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "control plane of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, key()?)?;

        let authority = directory.join("ca.crt");
        write(&authority, &issuer.pem())?;
        let tokens = directory.join("tokens.key");
        let tokens_public = directory.join("tokens.pub");
        let tokens_key = key()?;
        write(&tokens, &tokens_key.serialize_pem())?;
        write(&tokens_public, &tokens_key.public_key_pem())?;

        let mut server = CertificateParams::new([
            "127.0.0.1".to_owned(),
            "localhost".to_owned(),
            "kubernetes.default.svc".to_owned(),
        ])?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

        Ok(Self {
            server: sign(directory, "server", &server, &issuer)?,
            admin: sign(directory, "admin", &client("admin", Some("system:masters")), &issuer)?,
            controller_manager: sign(
                directory,
                "controller-manager",
                &client("system:kube-controller-manager", None),
                &issuer,
            )?,
            authority,
            tokens,
            tokens_public,
        })
    }
}

/// What a client certificate says: the common name is the user, the organization the group.
fn client(user: &str, group: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn sign(
    directory: &Path,
    name: &str,
    params: &CertificateParams,
    issuer: &CertifiedIssuer<'_, KeyPair>,
) -> Result<Certificate> {
    let key = key()?;
    let signed = params
        .signed_by(&key, issuer)
        .with_context(|| format!("cannot sign the certificate of {name}"))?;
    let files = Certificate {
        certificate: directory.join(format!("{name}.crt")),
        key: directory.join(format!("{name}.key")),
    };
    write(&files.certificate, &signed.pem())?;
    write(&files.key, &key.serialize_pem())?;
    Ok(files)
}

fn key() -> Result<KeyPair> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("cannot generate a key")
}

fn write(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
