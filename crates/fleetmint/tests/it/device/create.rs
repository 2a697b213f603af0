use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::fleet::Fleet;
use crate::folder::Folder;

#[test]
fn a_device_is_created_with_its_identity() {
    let fleet = Fleet::with_model();
    let device = fleet.json("device create --model tempsensor --name Kitchen --serial SN-1");
    let key = device.text("/key");
    assert_eq!(device.text("/client_id"), format!("iotdevice-tempsensor-{key}"));
    assert_eq!(
        fleet
            .run("device create --model tempsensor --name Hall --serial SN-1")
            .refused(1),
        "fleetmint: already-exists: /serial: there is a device with this serial already"
    );
    let line = fleet.run("device create --model temp --name Hall").refused(1);
    assert!(
        line.ends_with("there is no device model with the id or code temp"),
        "{line}"
    );
}

/// Passes everything on to a server, except the answer to the first call that creates a device: then the line is cut.
fn cutting_proxy(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut has_cut = false;
        while let Ok((mut client, _)) = listener.accept() {
            let mut server = TcpStream::connect(&server).unwrap();
            let mut buffer = [0; 64 << 10];
            while let Ok(read @ 1..) = client.read(&mut buffer) {
                server.write_all(&buffer[..read]).unwrap();
                let cuts = !has_cut && buffer.starts_with(b"POST /api/devices ");
                let read = server.read(&mut buffer).unwrap();
                if cuts {
                    has_cut = true;
                    break;
                }
                client.write_all(&buffer[..read]).unwrap();
            }
        }
    });
    format!("http://{address}")
}

#[test]
fn a_lost_answer_makes_no_second_device() {
    let fleet = Fleet::with_model();
    let url = cutting_proxy(fleet.server.address.clone());
    let environment = [("FLEETMINT_URL", url.as_str()), ("FLEETMINT_TOKEN", &fleet.token)];
    let elsewhere = Folder::new();
    let create = "device create --model tempsensor --name Kitchen";
    let created = fleet.run_in(&elsewhere, create, &environment, "").done();
    assert!(created.stdout.starts_with("id          1\n"), "{}", created.stdout);
    assert_eq!(fleet.json("device list").0.as_array().unwrap().len(), 1);
}
