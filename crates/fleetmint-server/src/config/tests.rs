use std::time::Duration;

use fleetmint_board::provisioning::Setting;

use super::{Error, Provider, Settings, Sources, Warning};

fn sources(file: &str, environment: &[(&str, &str)]) -> Sources {
    Sources {
        file: Some(("fleetmint.toml".into(), file.to_owned())),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: Vec::new(),
    }
}

fn load(file: &str, environment: &[(&str, &str)]) -> Result<(Settings, Vec<Warning>), Error> {
    Settings::load(&sources(file, environment))
}

fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
    match load(file, environment) {
        Ok((settings, _)) => panic!("{file} {environment:?} was accepted: {settings:?}"),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n'), "{text} is not one line");
            text
        }
    }
}

#[test]
fn without_settings_the_embedded_defaults_apply() {
    let (settings, warnings) = Settings::load(&Sources::default()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(settings.server.listen, "127.0.0.1:8080");
    assert_eq!(settings.data.dir, std::path::Path::new("fleetmint-data"));
    assert_eq!(
        settings.data.database,
        std::path::Path::new("fleetmint-data/fleetmint.db")
    );
    assert!(matches!(settings.identity.provider, Provider::Builtin));
    assert_eq!(settings.identity.audience, "fleetmint");
    assert!(settings.access.bootstrap_token.is_none());
}

#[test]
fn a_flag_overrides_the_environment_and_the_environment_overrides_the_file() {
    let mut sources = sources("[server]\nlisten = '127.0.0.1:1'\n", &[]);
    let listen = |sources: &Sources| Settings::load(sources).unwrap().0.server.listen;
    assert_eq!(listen(&sources), "127.0.0.1:1");
    sources
        .environment
        .push(("FLEETMINT_SERVER__LISTEN".into(), "127.0.0.1:2".into()));
    assert_eq!(listen(&sources), "127.0.0.1:2");
    sources.flags.push(("server.listen", "--listen", "127.0.0.1:3".into()));
    assert_eq!(listen(&sources), "127.0.0.1:3");
    sources.flags = vec![("server.listen", "--listen", "here".into())];
    assert!(
        Settings::load(&sources)
            .unwrap_err()
            .to_string()
            .starts_with("--listen: server.listen: ")
    );
}

#[test]
fn every_key_can_come_from_the_file_and_from_the_environment() {
    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let keys = [
        ("server.listen", "[::1]:9000"),
        ("server.public_url", "https://example.com/fleet/"),
        ("data.dir", "/var/lib/fleetmint"),
        ("data.database_url", "sqlite:///srv/devices.db"),
        ("data.master_key", KEY),
        ("access.bootstrap_token", "0123456789abcdef01234567"),
        ("identity.provider", "keycloak"),
        ("identity.audience", "things"),
        ("identity.keycloak.base_url", "https://sso.example.com/auth/"),
        ("identity.keycloak.realm", "devices"),
        ("identity.keycloak.client_id", "fleetmint"),
        ("identity.keycloak.client_secret", "0123456789"),
        ("identity.keycloak.device_scope", "device"),
        ("identity.keycloak.token_url", "https://sso.example.com/token"),
        ("identity.keycloak.ca_file", "/etc/ca.pem"),
        ("identity.keycloak.timeout_seconds", "2.5"),
        ("provisioning.base_url", "https://api.example.com"),
        ("provisioning.token_url", "https://sso.example.com/token"),
        ("provisioning.mqtt_url", "mqtts://me:hunter2@broker.example.com"),
        ("provisioning.wifi_ssid", "Gästenetz"),
        ("provisioning.wifi_password", "pässword"),
    ];
    let environment: Vec<_> = keys
        .iter()
        .map(|(key, value)| {
            let name = format!("FLEETMINT_{}", key.replace('.', "__").to_uppercase());
            (name, (*value).to_owned())
        })
        .collect();
    let (from_environment, _) = Settings::load(&Sources {
        environment,
        ..Sources::default()
    })
    .unwrap();
    let file: String = keys
        .iter()
        .map(|(key, value)| match *key {
            "identity.keycloak.timeout_seconds" => format!("{key} = {value}\n"),
            _ => format!("{key} = '{value}'\n"),
        })
        .collect();
    let (mut from_file, warnings) = load(&file, &[]).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(from_file.files.remove(0), std::path::Path::new("fleetmint.toml"));
    let shown = format!("{from_file:?}");
    assert_eq!(shown, format!("{from_environment:?}"));

    assert_eq!(
        from_file.server.public_url.as_deref(),
        Some("https://example.com/fleet")
    );
    assert_eq!(from_file.data.database, std::path::Path::new("/srv/devices.db"));
    let Provider::Keycloak(keycloak) = &from_file.identity.provider else {
        panic!("{shown}");
    };
    assert_eq!(keycloak.base_url, "https://sso.example.com/auth");
    assert_eq!(keycloak.timeout, Duration::from_millis(2500));
    assert_eq!(keycloak.client_secret.expose(), "0123456789");
    for secret in [KEY, "0123456789", "pässword", "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_value_of_the_wrong_type_stops_the_start_and_the_error_has_key_and_line() {
    let cases = [
        ("server.listen", "'localhost:http'"),
        ("server.listen", "'127.0.0.1:65536'"),
        ("server.listen", "'127.0.0.1:'"),
        ("server.listen", "'127.0.0.256:80'"),
        ("server.listen", "':8080'"),
        ("server.listen", "''"),
        ("server.listen", "8080"),
        ("server.public_url", "'example.com'"),
        ("server.public_url", "'localhost:8080'"),
        ("server.public_url", "'ftp://example.com'"),
        ("server.public_url", "'https://example.com/?a=b'"),
        ("server.public_url", "'https://user:hunter2@example.com'"),
        ("server.public_url", "''"),
        ("server.trusted_proxies", "['10.0.0.0/33']"),
        ("server.trusted_proxies", "['proxy.example.com']"),
        ("server.trusted_proxies", "'10.0.0.1, '"),
        ("server.trusted_proxies", "[10]"),
        ("server.trusted_proxies", "10"),
        ("server.forwarded", "'both'"),
        ("server.max_connections", "0"),
        ("server.max_connections", "1.5"),
        ("server.max_connections", "'many'"),
        ("server.max_connections_per_address", "1e9"),
        ("server.large_bodies_max", "67108863"),
        ("server.large_bodies_max", "'256 MiB'"),
        ("data.dir", "''"),
        ("data.database_url", "'fleetmint.db'"),
        ("data.database_url", "'sqlite://'"),
        ("data.database_url", "'postgres://me:hunter2@localhost/db'"),
        ("data.master_key", "'hunter2'"),
        ("access.bootstrap_token", "''"),
        ("access.bootstrap_token", "'hunter2 hunter2 hunter2 hunter2'"),
        ("access.bootstrap_token", "'hunter2hunter2hunter2hu'"),
        ("access.refusals_per_minute", "-1"),
        ("access.refusals_per_minute", "0.5"),
        ("identity.provider", "'okta'"),
        ("identity.provider", "true"),
        ("identity.audience", "' '"),
        ("identity.keycloak.base_url", "'sso'"),
        ("identity.keycloak.realm", "'a/b'"),
        ("identity.keycloak.client_secret", "''"),
        ("identity.keycloak.timeout_seconds", "0"),
        ("identity.keycloak.timeout_seconds", "-1"),
        ("identity.keycloak.timeout_seconds", "301"),
        ("identity.keycloak.timeout_seconds", "nan"),
        ("identity.keycloak.timeout_seconds", "'5'"),
        ("identity.keycloak.token_url", "'here'"),
        ("identity.keycloak.base_url", "'https://me:hunter2@sso.example.com'"),
        ("identity.keycloak.base_url", "'ldap://sso.example.com'"),
        (
            "identity.keycloak.token_url",
            "'https://me:hunter2@sso.example.com/token'",
        ),
        ("identity.keycloak.token_url", "'mqtts://sso.example.com/token'"),
        ("provisioning.base_url", "'here'"),
        ("provisioning.base_url", "'https://me:hunter2@example.com'"),
        ("provisioning.base_url", "'https://@example.com'"),
        ("provisioning.base_url", "'coap://example.com'"),
        ("provisioning.base_url", "'https:example.com'"),
        ("provisioning.token_url", "'https://hunter2@example.com'"),
        ("provisioning.token_url", "'file:///etc/passwd'"),
        ("provisioning.mqtt_url", "'tcp://me:hunter2@broker.example.com'"),
        ("provisioning.mqtt_url", "'https://broker.example.com'"),
        ("provisioning.mqtt_url", "'mqtt:///hunter2'"),
        ("provisioning.base_url", "'http://exa mple.com'"),
        ("provisioning.base_url", "' http://example.com'"),
        ("provisioning.token_url", "'http://'"),
        ("provisioning.mqtt_url", "'broker:1883'"),
        ("provisioning.wifi_ssid", "'123456789012345678901234567890123'"),
        ("provisioning.wifi_ssid", "'Gästenetz Gästenetz Gästenetz äöü'"),
        ("provisioning.wifi_ssid", "\"a\\u0000b\""),
        ("provisioning.wifi_password", "'hunter2'"),
        (
            "provisioning.wifi_password",
            "'hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2!'",
        ),
    ];
    for (key, value) in cases {
        let text = refusal(&format!("\n{key} = {value}\n"), &[]);
        assert!(
            text.starts_with(&format!("fleetmint.toml:2: {key}: ")),
            "{value}: {text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn the_environment_is_checked_like_the_file() {
    let text = refusal("", &[("FLEETMINT_IDENTITY__KEYCLOAK__TIMEOUT_SECONDS", "soon")]);
    assert_eq!(
        text,
        "FLEETMINT_IDENTITY__KEYCLOAK__TIMEOUT_SECONDS: identity.keycloak.timeout_seconds: must be a number"
    );
}

#[test]
fn unknown_keys_stop_the_start() {
    for (file, key) in [
        ("[server]\nport = 80", "server.port"),
        ("[serve]\nlisten = 'x'", "serve.listen"),
        ("\n[serve]", "serve"),
        ("\nlisten = 'x'", "listen"),
        ("\nserver = 5", "server"),
        ("\nserver.listen.port = 5", "server.listen.port"),
        // Only the environment can name a secret's file, the settings file cannot.
        ("\ndata.master_key_file = 'x'", "data.master_key_file"),
    ] {
        let text = refusal(file, &[]);
        assert!(
            text.starts_with(&format!("fleetmint.toml:2: unknown key {key};")),
            "{text}"
        );
    }
    let text = refusal("", &[("FLEETMINT_SERVER__PORT", "80")]);
    assert_eq!(
        text,
        "FLEETMINT_SERVER__PORT: unknown key server.port; [server] has forwarded, large_bodies_max, listen, max_connections, max_connections_per_address, public_url, trusted_proxies"
    );
    let text = refusal("", &[("FLEETMINT_SERVER__LISTEN_FILE", "x")]);
    assert!(text.contains("unknown key server.listen_file"), "{text}");
}

#[test]
fn networks_are_a_list_in_the_file_and_a_text_with_commas_in_the_environment() {
    let expected = ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "10.2.0.0/16"];
    let file = "server.trusted_proxies = ['10.9.9.9/8', '192.0.2.1', '2001:db8::/32', '::ffff:10.2.0.0/112']";
    let variable = "10.0.0.0/8,192.0.2.1, 2001:db8::1/32 ,::ffff:10.2.3.4/112";
    for settings in [
        load(file, &[]),
        load("", &[("FLEETMINT_SERVER__TRUSTED_PROXIES", variable)]),
    ] {
        let networks = settings.unwrap().0.server.trusted_proxies;
        assert_eq!(networks.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }
    for none in ["", "server.trusted_proxies = []", "server.trusted_proxies = ''"] {
        assert_eq!(load(none, &[]).unwrap().0.server.trusted_proxies, []);
    }
}

#[test]
fn trusted_proxies_that_are_every_address_are_warned_about() {
    for (given, all) in [
        ("10.0.0.0/8,0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("0.0.0.0/1,128.0.0.0/1", "0.0.0.0/0"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ] {
        let (settings, warnings) = load("", &[("FLEETMINT_SERVER__TRUSTED_PROXIES", given)]).unwrap();
        assert!(!settings.server.trusted_proxies.is_empty());
        let [warning] = &*warnings else {
            panic!("{given}: {warnings:?}")
        };
        let start = format!(
            "FLEETMINT_SERVER__TRUSTED_PROXIES: server.trusted_proxies: names every address ({all}): whoever can connect"
        );
        assert!(warning.to_string().starts_with(&start), "{warning}");
    }
    for some in ["10.0.0.0/8,192.168.0.0/16,2001:db8::/32", "0.0.0.0/1", "8000::/1"] {
        let (_, warnings) = load("", &[("FLEETMINT_SERVER__TRUSTED_PROXIES", some)]).unwrap();
        assert_eq!(warnings, [], "{some}");
    }
}

#[test]
fn names_that_are_not_settings_are_ignored() {
    let environment = [
        ("FLEETMINT_PORT", "tcp://10.0.0.1:80"),
        ("FLEETMINT_SERVICE_HOST", "10.0.0.1"),
        ("OTHER__KEY", "x"),
    ];
    load("[server]\n", &environment).unwrap();
}

#[test]
fn a_file_that_is_not_toml_is_refused_without_showing_its_line() {
    let text = refusal("\n[data]\nmaster_key = 'hunter2\n", &[]);
    assert!(text.starts_with("fleetmint.toml:3: "), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let text = refusal("data.dir = 'a'\ndata.dir = 'b'\n", &[]);
    assert!(text.starts_with("fleetmint.toml:2: "), "{text}");
}

#[test]
fn each_secret_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let name = path.to_str().unwrap();
    std::fs::write(&path, "correct horse\r\n").unwrap();
    let file = &[("FLEETMINT_PROVISIONING__WIFI_PASSWORD_FILE", name)];
    let password = |file_text: &str| {
        let settings = load(file_text, file).unwrap().0;
        settings.provisioning.get(Setting::WifiPassword).unwrap().to_owned()
    };
    assert_eq!(password(""), "correct horse");
    // The environment overrides the settings file.
    assert_eq!(
        password("provisioning.wifi_password = 'battery staple'"),
        "correct horse"
    );

    let both = [file[0], ("FLEETMINT_PROVISIONING__WIFI_PASSWORD", "battery staple")];
    let text = refusal("", &both);
    assert_eq!(
        text,
        "FLEETMINT_PROVISIONING__WIFI_PASSWORD_FILE: provisioning.wifi_password: \
         FLEETMINT_PROVISIONING__WIFI_PASSWORD is set as well; set one of the two"
    );

    std::fs::write(&path, "hunter2").unwrap();
    let text = refusal("", file);
    assert!(text.contains("provisioning.wifi_password: "), "{text}");
    assert!(!text.contains("hunter2"), "{text}");

    std::fs::remove_file(&path).unwrap();
    assert!(refusal("", file).contains(name));
    for secret in super::secrets() {
        let variable = format!("FLEETMINT_{}_FILE", secret.replace('.', "__").to_uppercase());
        let text = refusal("", &[(&variable, name)]);
        assert!(text.starts_with(&format!("{variable}: {secret}: the file ")), "{text}");
    }
}

#[test]
fn urls_that_devices_cannot_use_are_warnings() {
    let long = format!("https://example.com/{}", "a".repeat(3999 - 19));
    for key in [
        "provisioning.base_url",
        "provisioning.token_url",
        "identity.keycloak.token_url",
    ] {
        for value in ["", "   ", "\t", &long] {
            let (_, warnings) = load(&format!("{key} = \"{value}\""), &[]).unwrap();
            assert_eq!(warnings.len(), 1, "{key} = {value:?}");
            assert_eq!(warnings[0].key, key);
            assert!(
                warnings[0]
                    .to_string()
                    .starts_with(&format!("fleetmint.toml:1: {key}: "))
            );
        }
        assert_eq!(
            load(&format!("{key} = '{}'", &long[1..].replacen("ttps", "http", 1)), &[])
                .unwrap()
                .1,
            []
        );
    }
}

#[test]
fn empty_optional_values_count_as_not_set() {
    let (settings, warnings) = load("[provisioning]\nmqtt_url=''\nwifi_ssid=''\nwifi_password=''", &[]).unwrap();
    assert_eq!(warnings, []);
    assert!(settings.provisioning.get(Setting::MqttUrl).is_none());
    assert!(settings.provisioning.get(Setting::WifiSsid).is_none());
    assert!(settings.provisioning.get(Setting::WifiPassword).is_none());
}

#[test]
fn missing_keycloak_settings_are_errors() {
    let mut file = "[identity]\nprovider = 'keycloak'\n[identity.keycloak]\n".to_owned();
    for (key, line) in [
        ("base_url", "base_url = 'https://sso.example.com'\n"),
        ("realm", "realm = 'devices'\n"),
        ("client_id", "client_id = 'fleetmint'\n"),
        ("client_secret", "client_secret = 'secret'\n"),
    ] {
        assert_eq!(
            refusal(&file, &[]),
            format!("settings: identity.keycloak.{key}: is required when identity.provider is keycloak")
        );
        file += line;
    }
    load(&file, &[]).unwrap();
    // With the built-in provider nothing is required, but the given values are still checked.
    load("identity.keycloak.realm = 'devices'", &[]).unwrap();
}

#[test]
fn a_token_that_can_be_guessed_stops_the_start() {
    let text = refusal("access.bootstrap_token = 'letmeinletmeinletmeinle'", &[]);
    assert_eq!(
        text,
        "fleetmint.toml:1: access.bootstrap_token: must have at least 24 characters, and be random; this one has 23"
    );
    assert!(load("access.bootstrap_token = 'letmeinletmeinletmeinlet'", &[]).is_ok());
}

#[test]
fn the_public_url_follows_the_listener() {
    let settings = Settings::load(&Sources::default()).unwrap().0;
    let at = |address: &str| settings.clone().listening(address.parse().unwrap());

    let (on_network, warnings) = at("192.0.2.1:8080");
    assert_eq!(on_network.server.public_url.as_deref(), Some("http://192.0.2.1:8080"));
    assert!(
        warnings[0]
            .to_string()
            .contains("server.listen: 192.0.2.1:8080 can be reached from the network")
    );

    for (address, url) in [
        ("127.0.0.1:1", "http://127.0.0.1:1"),
        ("[::1]:1", "http://[::1]:1"),
        ("[::ffff:127.0.0.1]:1", "http://[::ffff:127.0.0.1]:1"),
    ] {
        let (on_loopback, warnings) = at(address);
        assert_eq!(warnings.len(), 1);
        assert_eq!(on_loopback.server.public_url.as_deref(), Some(url));
        assert!(
            warnings[0]
                .to_string()
                .contains("server.public_url: not set, and the listener is on loopback")
        );
    }
    for wildcard in ["0.0.0.0:8080", "[::]:8080"] {
        let (open, warnings) = at(wildcard);
        assert_eq!(open.server.public_url, None);
        let keys: Vec<_> = warnings.iter().map(|warning| warning.key).collect();
        assert_eq!(keys, ["server.public_url", "server.listen"]);
    }
    // The settings do not show that TLS ends in front of the service.
    for (file, expected) in [
        ("server.public_url = 'http://example.com'", &["server.listen"][..]),
        ("server.public_url = 'https://example.com'", &[]),
        (
            "server.public_url = 'http://example.com'\nserver.trusted_proxies = ['10.0.0.1']",
            &[],
        ),
    ] {
        let (_, warnings) = load(file, &[]).unwrap().0.listening("192.0.2.1:80".parse().unwrap());
        let keys: Vec<_> = warnings.iter().map(|warning| warning.key).collect();
        assert_eq!(keys, expected, "{file}");
    }
    let given = load(
        "server.public_url = 'https://example.com'\nprovisioning.base_url = ''",
        &[],
    )
    .unwrap()
    .0;
    let (given, warnings) = given.listening("0.0.0.0:8080".parse().unwrap());
    assert_eq!(warnings, []);
    assert_eq!(given.server.public_url.as_deref(), Some("https://example.com"));
    assert_eq!(given.provisioning.get(Setting::BaseUrl), Some(""));
}

#[test]
fn a_keycloak_that_is_reached_in_plain_text_is_a_warning() {
    for (base_url, plain) in [
        ("http://sso.example.com", true),
        ("http://192.0.2.1:8080/auth", true),
        ("http://[2001:db8::1]", true),
        ("https://sso.example.com", false),
        ("http://localhost:8080", false),
        ("http://127.0.0.1:8080", false),
        ("http://[::1]:8080", false),
    ] {
        let file = format!(
            "[identity]\nprovider = 'keycloak'\n[identity.keycloak]\nbase_url = '{base_url}'\nrealm = 'r'\n\
             client_id = 'c'\nclient_secret = 's'\n"
        );
        let (_, warnings) = load(&file, &[]).unwrap();
        let keys: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), usize::from(plain), "{keys:?}");
        assert!(
            keys.iter()
                .all(|text| text.starts_with("fleetmint.toml:4: identity.keycloak.base_url: is http"))
        );
    }
}
