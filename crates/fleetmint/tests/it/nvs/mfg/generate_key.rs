//! `fleetmint nvs mfg generate-key`.

use crate::folder::Folder;

#[test]
fn the_keys_are_for_inputkey() {
    let folder = Folder::new();
    folder
        .line("fleetmint nvs mfg generate-key --keyfile line.bin --outdir out")
        .done();
    assert_eq!(folder.read("out/keys/line.bin").len(), 4096);
    folder.write("conf.csv", "prov,namespace,\nserial,data,string\n");
    folder.write("values.csv", "serial\nA1\n");
    let line = "fleetmint nvs mfg generate conf.csv values.csv Fan 0x3000 --outdir out";
    folder.line(&format!("{line} --inputkey out/keys/line.bin")).done();
    folder
        .line("fleetmint nvs decrypt out/bin/Fan-1.bin out/keys/line.bin plain.bin")
        .done();
    folder
        .line("fleetmint nvs mfg generate conf.csv values.csv Fan 0x3000 --outdir plain")
        .done();
    assert!(folder.read("plain.bin") == folder.read("plain/bin/Fan-1.bin"));
}
