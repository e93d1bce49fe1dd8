//! TLS of the listener, and certificates of clients.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use sensor_lab::{Namespace, Outcome, Topology, curl, require_lab, scratch_dir};
use sensor_tests::Agent;

const URL: &str = "https://127.0.0.1:9645/healthz";

/// An authority, which signs certificates.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes a certificate of the authority and its key.
fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    folder: &Path,
) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// Asks with the certificate of a name, if there is one.
fn ask(namespace: &Namespace, folder: &Path, client: Option<&str>) -> Outcome {
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut arguments = vec!["--cacert".to_owned(), file("ca.pem")];
    if let Some(name) = client {
        arguments.extend(["--cert".to_owned(), file(&format!("{name}.pem"))]);
        arguments.extend(["--key".to_owned(), file(&format!("{name}.key"))]);
    }
    arguments.push(URL.to_owned());
    curl(namespace, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
}

#[test]
fn only_clients_with_a_certificate_of_the_authority_are_answered() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let scratch = scratch_dir().unwrap();
    let folder = scratch.path();
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    fs::write(folder.join("ca.pem"), ours.pem()).unwrap();
    issue(&ours, "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth, folder);
    issue(&ours, "prometheus", ExtendedKeyUsagePurpose::ClientAuth, folder);
    issue(&theirs, "stranger", ExtendedKeyUsagePurpose::ClientAuth, folder);
    let file = |name: &str| folder.join(name);
    // Reachable from elsewhere, and without a token.
    let config = format!(
        "[http]\nlisten = \"0.0.0.0:9645\"\ncertificate_file = {:?}\nkey_file = {:?}\nclient_ca_file = {:?}\n",
        file("127.0.0.1.pem"),
        file("127.0.0.1.key"),
        file("ca.pem")
    );
    let agent = Agent::on(gateway, "lan0").config(&config).start().unwrap();
    agent.wait_for_log("listening on https://0.0.0.0:9645").unwrap();
    let answered = ask(gateway, folder, Some("prometheus"));
    assert!(answered.output.lines().any(|line| line == "ok"), "{answered:?}");
    for client in [None, Some("stranger")] {
        let refused = ask(gateway, folder, client);
        assert!(!refused.success() && refused.output.starts_with("curl: "), "{client:?}: {refused:?}");
    }
    let plain = curl(gateway, &["http://127.0.0.1:9645/healthz"]).unwrap();
    assert!(!plain.output.lines().any(|line| line == "ok"), "{plain:?}");

    let path = file("smb-sensor.toml");
    fs::write(&path, format!("state_dir = {folder:?}\n[process]\nattribution = \"off\"\n{config}")).unwrap();
    let check = || {
        let mut command = gateway.command(Agent::program().unwrap());
        String::from_utf8(command.arg("check").arg("--config").arg(&path).output().unwrap().stdout).unwrap()
    };
    let text = check();
    assert!(text.contains("0.0.0.0:9645 is in use; TLS with certificates of clients"), "{text}");
    let ended = agent.stop().unwrap();
    // A key of another certificate is named by its file.
    fs::copy(file("stranger.key"), file("127.0.0.1.key")).unwrap();
    let text = check();
    assert!(text.contains("127.0.0.1.pem: it does not fit"), "{text}");
    let secret = fs::read_to_string(file("127.0.0.1.key")).unwrap();
    let secret = secret.lines().nth(1).unwrap();
    assert!(!(text + &ended.log).contains(secret));
}
