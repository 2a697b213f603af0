//! `fleetmint nvs generate`.

use std::fs;

use crate::espressif::generator;
use crate::folder::Folder;

const TABLE: &str = "\
key,type,encoding,value
prov,namespace,,
device_key,data,string,k1234567
# a comment
interval,data,u16,30
ca,file,binary,certs/ca.der
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("device.csv", TABLE);
    folder.write("certs/ca.der", [0x30, 0x82, 0, 0xFF].repeat(300));
    folder
}

#[test]
fn the_same_file_as_espressif_s_generator() {
    let folder = folder();
    for (size, version) in [
        ("0x3000", ""),
        ("24576", "--version 2"),
        ("0x4000", "--version 1"),
        ("0x2000", ""),
    ] {
        let ours = folder
            .line(&format!("fleetmint nvs generate device.csv ours.bin {size} {version}"))
            .done();
        assert!(ours.stderr.contains("created ours.bin: "), "{}", ours.stderr);
        let Some(theirs) = generator(
            folder.path(),
            &format!("generate device.csv theirs.bin {size} {version}"),
        ) else {
            return;
        };
        theirs.done();
        assert!(folder.read("ours.bin") == folder.read("theirs.bin"), "{size} {version}");
    }
}

#[test]
fn several_tables_are_one_after_the_other() {
    let folder = folder();
    folder.write(
        "site.csv",
        "key,type,encoding,value\nsite,namespace,,\nname,data,string,Hamburg\n",
    );
    folder
        .line("fleetmint nvs generate --outdir out site.csv device.csv both.bin 24K")
        .done();
    let image = folder.read("out/both.bin");
    assert_eq!(image.len(), 0x6000);
    for text in [&b"Hamburg\0"[..], b"k1234567\0"] {
        assert!(image.windows(text.len()).any(|window| window == text));
    }
}

#[test]
fn a_namespace_in_two_tables_is_one() {
    let folder = folder();
    folder.write(
        "more.csv",
        "key,type,encoding,value\nother,namespace,,\nprov,namespace,,\nsite,data,string,Kiel\n",
    );
    folder.write("last.csv", "key,type,encoding,value\nother,namespace,,\nx,data,u8,1\n");
    folder
        .line("fleetmint nvs generate device.csv more.csv last.csv out.bin 0x3000")
        .done();
    let text = folder.line("fleetmint nvs dump out.bin").done().stdout;
    assert!(text.contains("prov       site        str      5  Kiel"), "{text}");
    assert!(text.contains("5 values in 2 namespaces"), "{text}");
    folder.write(
        "again.csv",
        "key,type,encoding,value\nprov,namespace,,\ninterval,data,u16,31\n",
    );
    let line = folder
        .line("fleetmint nvs generate device.csv more.csv again.csv out2.bin 0x3000")
        .refused(2);
    assert!(
        line.contains("again.csv: line 3: key \"interval\" is already in namespace \"prov\", by line 5 of table 1"),
        "{line}"
    );
}

#[test]
fn tables_as_spreadsheets_leave_them() {
    let folder = folder();
    folder.line("fleetmint nvs generate device.csv want.bin 0x3000").done();
    for (name, table) in [
        (
            "blanks.csv",
            TABLE.replace("key,type,encoding,value", "key, type, encoding, value "),
        ),
        ("commas.csv", format!("{TABLE},,,\n,,,\n")),
        ("sep.csv", format!("sep=,\r\n{TABLE}")),
    ] {
        folder.write(name, table);
        folder
            .line(&format!("fleetmint nvs generate {name} out.bin 0x3000"))
            .done();
        assert!(folder.read("out.bin") == folder.read("want.bin"), "{name}");
    }
    let utf16: Vec<u8> = TABLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, table, said) in [
        (
            "semicolon.csv",
            TABLE.replace(',', ";").into_bytes(),
            "line 1: the columns are separated by \";\"; a table needs commas",
        ),
        (
            "tab.csv",
            TABLE.replace(',', "\t").into_bytes(),
            "line 1: the columns are separated by tabs; a table needs commas",
        ),
        (
            "utf16.csv",
            [&[0xFF, 0xFE], utf16.as_slice()].concat(),
            "line 1: the file is UTF-16; save it as UTF-8",
        ),
        (
            "excel.csv",
            TABLE.replace("u16,30", "u16,3.0E+01").into_bytes(),
            "line 5: key \"interval\": the value is not a number",
        ),
        (
            "empty.csv",
            b"key,type,encoding,value\n".to_vec(),
            "line 1: the table has no rows",
        ),
    ] {
        folder.write(name, table);
        let line = folder
            .line(&format!("fleetmint nvs generate {name} new.bin 0x3000"))
            .refused(2);
        assert!(line.contains(&format!("{name}: {said}")), "{line}");
        let line = folder
            .line(&format!("fleetmint nvs patch want.bin {name} new.bin"))
            .refused(2);
        assert!(line.contains(name), "{line}");
    }
}

#[test]
fn rows_and_files_have_limits() {
    let folder = folder();
    let start = "key,type,encoding,value\nn,namespace,,\n";
    folder.write("long.csv", format!("{start}k,data,hex2bin,{}\n", "0".repeat(50 << 20)));
    let line = folder
        .line("fleetmint nvs generate long.csv out.bin 0x100000")
        .refused(2);
    assert!(
        line.contains("long.csv: line 3: the row has more than 2097152 bytes"),
        "{line}"
    );
    folder.line("fleetmint nvs generate device.csv image.bin 0x3000").done();
    let line = folder.line("fleetmint nvs patch image.bin long.csv out.bin").refused(2);
    assert!(
        line.contains("long.csv: line 3: the row has more than 2097152 bytes"),
        "{line}"
    );
    // A file without an end, and a table larger than any that is read. Neither takes its size in memory or on the disk.
    folder.write("file.csv", format!("{start}k,file,binary,/dev/zero\n"));
    let huge = fs::File::create(folder.file("huge.csv")).unwrap();
    huge.set_len(1 << 32).unwrap();
    drop(huge);
    for (table, said) in [
        (
            "file.csv",
            "file.csv: line 3: key \"k\": file \"/dev/zero\": it has more than 2097152 bytes, the maximum",
        ),
        ("huge.csv", "huge.csv: it has more than 67108864 bytes, the maximum"),
    ] {
        let line = folder
            .line(&format!("fleetmint nvs generate {table} out.bin 0x100000"))
            .refused(2);
        assert!(line.contains(said), "{line}");
    }
    folder.write("fill.csv", format!("{start}k,data,blob_fill(99999999999;0x00),\n"));
    let line = folder
        .line("fleetmint nvs generate fill.csv out.bin 0x100000")
        .refused(2);
    assert!(
        line.contains("more than the 508000 bytes that a blob can have"),
        "{line}"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_nothing_is_written() {
    let folder = folder();
    for (rows, said) in [
        (
            "a,data,u8,256",
            "bad.csv: line 3: key \"a\": the value is out of range for u8, which goes from 0 to 255",
        ),
        (
            "a,file,binary,gone.der",
            "bad.csv: line 3: key \"a\": file \"gone.der\": no such file or directory",
        ),
        (
            "a,data,u8,1\na,data,u8,2",
            "bad.csv: line 4: key \"a\" is already in namespace \"prov\", by line 3",
        ),
        ("sixteen_bytes_16,data,u8,1", "has 16 bytes, at most 15 are allowed"),
        ("a,delete,,", "delete rows are for the change lists of `nvs patch`"),
    ] {
        folder.write(
            "bad.csv",
            format!("key,type,encoding,value\nprov,namespace,,\n{rows}\n"),
        );
        let line = folder.line("fleetmint nvs generate bad.csv out.bin 0x3000").refused(2);
        assert!(line.contains(said), "{line}");
    }
    folder.write(
        "big.csv",
        format!(
            "key,type,encoding,value\nprov,namespace,,\na,data,hex2bin,{}\n",
            "00".repeat(9000)
        ),
    );
    let line = folder.line("fleetmint nvs generate big.csv out.bin 0x3000").refused(2);
    assert!(line.contains("big.csv: line 3: \"a\" does not fit"), "{line}");
    let line = folder.line("fleetmint nvs generate gone.csv out.bin 0x3000").refused(2);
    assert_eq!(line, "fleetmint: gone.csv: no such file or directory");
    assert_eq!(folder.names(), ["bad.csv", "big.csv", "certs", "device.csv"]);
}

#[test]
fn sizes_that_no_partition_has() {
    let folder = folder();
    for (size, said) in [
        ("abc", "\"abc\" is not a number of bytes"),
        (
            "0x3001",
            "a partition of 12289 bytes: the size must be a multiple of 4096",
        ),
        ("0x800", "from 4096 to 16777216"),
        ("0", "a partition of 0 bytes"),
        ("32M", "a partition of 33554432 bytes"),
    ] {
        let line = folder
            .line(&format!("fleetmint nvs generate device.csv out.bin {size}"))
            .refused(2);
        assert!(line.contains(said), "{line}");
    }
    let small = folder.line("fleetmint nvs generate device.csv out.bin 0x2000").done();
    assert!(
        small
            .stderr
            .contains("warning: the firmware can only read a partition of less than 0x3000 bytes"),
        "{}",
        small.stderr
    );
}

#[test]
fn an_output_file_is_replaced_whole_or_not_at_all() {
    let folder = folder();
    folder.write("out.bin", "before");
    folder.write("bad.csv", "key,type,encoding,value\na,data,u8,1\n");
    folder.line("fleetmint nvs generate bad.csv out.bin 0x3000").refused(2);
    assert_eq!(folder.read("out.bin"), b"before");
    folder.line("fleetmint nvs generate device.csv out.bin 0x3000").done();
    assert_eq!(folder.read("out.bin").len(), 0x3000);

    fs::create_dir(folder.file("folder")).unwrap();
    let line = folder
        .line("fleetmint nvs generate device.csv folder 0x3000")
        .refused(2);
    assert!(line.contains("folder: not written: "), "{line}");
    let line = folder
        .line("fleetmint nvs generate device.csv out.bin/sub.bin 0x3000")
        .refused(2);
    assert_eq!(line, "fleetmint: out.bin/sub.bin: not written: out.bin is not a folder");
    let line = folder
        .line("fleetmint nvs generate device.csv out.bin/a/b/sub.bin 0x3000")
        .refused(2);
    assert_eq!(
        line,
        "fleetmint: out.bin/a/b/sub.bin: not written: out.bin is not a folder"
    );
    assert_eq!(folder.names(), ["bad.csv", "certs", "device.csv", "folder", "out.bin"]);
}

/// Nobody can create anything in /proc, not even root.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_created_or_written_is_named() {
    let folder = Folder::new();
    folder.write("t.csv", "key,type,encoding,value\nn,namespace,,\na,data,u8,1\n");
    let line = folder
        .line("fleetmint nvs generate t.csv /proc/a/b.bin 0x3000")
        .refused(2);
    let said = "fleetmint: /proc/a/b.bin: not written: the folder /proc/a is missing and cannot be created: ";
    assert!(line.starts_with(said), "{line}");
    let line = folder
        .line("fleetmint nvs generate t.csv /proc/b.bin 0x3000")
        .refused(2);
    let said = "fleetmint: /proc/b.bin: not written: no file can be created in the folder /proc: ";
    assert!(line.starts_with(said), "{line}");
}

#[cfg(unix)]
#[test]
fn through_links_and_into_devices() {
    let folder = folder();
    std::os::unix::fs::symlink("real.bin", folder.file("link.bin")).unwrap();
    folder.write("real.bin", "");
    folder.line("fleetmint nvs generate device.csv link.bin 0x3000").done();
    assert!(fs::symlink_metadata(folder.file("link.bin")).unwrap().is_symlink());
    assert_eq!(folder.read("real.bin").len(), 0x3000);
    folder.line("fleetmint nvs generate device.csv /dev/null 0x3000").done();
}

#[test]
fn an_absolute_output_stands_above_outdir() {
    let folder = folder();
    let out = folder.file("abs.bin");
    let run = folder
        .run([
            "nvs",
            "generate",
            "device.csv",
            out.to_str().unwrap(),
            "0x3000",
            "--outdir",
            "elsewhere",
        ])
        .done();
    assert!(
        run.stderr
            .contains("the path is absolute, so --outdir elsewhere does not apply"),
        "{}",
        run.stderr
    );
    assert!(out.is_file());
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_an_image_and_none_who_could_not_read_an_input() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let mode = |name: &str| fs::metadata(folder.file(name)).unwrap().permissions().mode() & 0o777;
    for (table, before, after) in [
        (0o644, None, 0o600),
        (0o666, Some(0o666), 0o600),
        (0o400, Some(0o600), 0o400),
    ] {
        fs::set_permissions(folder.file("device.csv"), fs::Permissions::from_mode(table)).unwrap();
        if let Some(before) = before {
            fs::set_permissions(folder.file("device.bin"), fs::Permissions::from_mode(before)).unwrap();
        }
        folder
            .line("fleetmint nvs generate device.csv device.bin 0x4000")
            .done();
        assert_eq!(mode("device.bin"), after);
    }
}
