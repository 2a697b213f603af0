//! The commands and a server behind a real nginx, with TLS and below a path.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::folder::Folder;

/// nginx, until it is dropped.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Nginx {
    /// `None` if it is not installed, which is printed.
    fn start(folder: &Folder, port: u16, server: &str) -> Option<Self> {
        // The path in Debian's package is not in every PATH.
        let works = |program: &&str| {
            let version = Command::new(program).arg("-v").stderr(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        };
        let Some(program) = ["/usr/sbin/nginx", "nginx"].into_iter().find(works) else {
            let why = "SKIPPED: commands over TLS: nginx is missing. `tools/install nginx` installs it.\n";
            assert!(std::env::var_os("CI").is_none(), "{why}");
            let _ = std::io::stderr().write_all(why.as_bytes());
            return None;
        };
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext \
                       subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out ca.pem";
        let made = Command::new("openssl")
            .args(request.split_whitespace())
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let path = |name: &str| folder.file(name).display().to_string();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {};\n", path(what)))
            .concat();
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid {};\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}server {{\nlisten \
             127.0.0.1:{port} ssl;\nssl_certificate {};\nssl_certificate_key {};\nlocation /fleet/ {{ proxy_pass \
             http://{server}/; }}\n}}\n}}\n",
            path("pid"),
            path("ca.pem"),
            path("key.pem"),
        );
        folder.write("nginx.conf", configuration);
        let child = Command::new(program)
            .args(["-e", "stderr", "-p", &path(""), "-c", &path("nginx.conf")])
            .stderr(std::fs::File::create(folder.file("errors")).unwrap())
            .spawn();
        let mut nginx = Self(child.unwrap());
        let limit = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let errors = || String::from_utf8(folder.read("errors")).unwrap();
            assert!(
                Instant::now() < limit && nginx.0.try_wait().unwrap().is_none(),
                "{}",
                errors()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(nginx)
    }
}

#[test]
fn a_certificate_is_checked_and_a_path_prefix_works() {
    let (fleet, elsewhere) = (Fleet::start(), Folder::new());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(_nginx) = Nginx::start(&elsewhere, port, &fleet.server.address) else {
        return;
    };
    let url = format!("https://127.0.0.1:{port}/fleet/");
    let login = format!("login {url}");
    let line = fleet.run_in(&elsewhere, &login, &[], &fleet.token).refused(2);
    assert!(
        line.contains("cannot be reached: ") && line.contains("certificate") && line.contains("FLEETMINT_CA_FILE"),
        "{line}"
    );
    let trusted = [("FLEETMINT_CA_FILE", "ca.pem")];
    let run = |line: &str| fleet.run_in(&elsewhere, line, &trusted, &fleet.token).done();
    run(&login);
    run("model create tempsensor");
    run("device create --model tempsensor --name Kitchen");
    assert!(run("device list").stdout.contains("Kitchen"));
    let said = run("whoami").stdout;
    assert!(said.contains(url.trim_end_matches('/')), "{said}");
    // Without the prefix there is no server of ours.
    let line = format!("whoami --server https://127.0.0.1:{port}");
    let environment = [trusted[0], ("FLEETMINT_TOKEN", "x")];
    let line = fleet.run_in(&elsewhere, &line, &environment, "").refused(2);
    assert!(line.contains("answers 404 Not Found without saying why"), "{line}");
}
