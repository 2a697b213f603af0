//! Mass manufacturing: a configuration and a table of values. Each device's image is compared with the generator's image of a
//! table written by hand.

mod errors;
mod hostile;
mod properties;

use super::{HEADER, read_file};
use fleetmint_nvs::csv::Generator;
use fleetmint_nvs::csv::mfg::{Configuration, Error, Values};
use fleetmint_nvs::layout::Version;
use std::cell::RefCell;

const SIZE: usize = 0x4000;

/// The images of all devices, with their lines; or all errors.
fn images(configuration: &str, values: &str) -> Result<Vec<(usize, Vec<u8>)>, Vec<Error>> {
    let configuration = Configuration::read(configuration.as_bytes())?;
    let values = Values::read(values.as_bytes(), &configuration)?;
    let mut writer = values.images(Version::V2);
    let (mut images, mut errors, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for device in values.devices() {
        let mut image = vec![0; SIZE];
        match device.and_then(|device| {
            writer.write(&device, &mut image, read_file)?;
            Ok(device.line())
        }) {
            Ok(line) => images.push((line, image)),
            Err(found) => {
                assert!(!found.is_empty());
                // What is wrong with a repeated value is the same error for every device.
                errors.extend(found.into_iter().filter(|error| !known.contains(error)));
                known = errors.clone();
            }
        }
    }
    if errors.is_empty() { Ok(images) } else { Err(errors) }
}

/// The generator's image of these rows.
fn by_hand(rows: &str) -> Vec<u8> {
    let mut image = vec![0; SIZE];
    let mut generator = Generator::new(&mut image, Version::V2).unwrap();
    generator.add(format!("{HEADER}{rows}").as_bytes(), read_file).unwrap();
    generator.finish();
    image
}

/// Each device has the image of the rows that belong to it, and begins in that line.
#[track_caller]
fn made(configuration: &str, values: &str, devices: &[(usize, &str)]) {
    let images = images(configuration, values).unwrap();
    let lines: Vec<usize> = images.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, devices.iter().map(|(line, _)| *line).collect::<Vec<_>>());
    for ((line, image), (_, rows)) in images.iter().zip(devices) {
        assert!(*image == by_hand(rows), "line {line}");
    }
}

const TWO: &str = "app,namespace,\nserial,data,string\nno,data,i32\n";

#[test]
fn columns_belong_to_keys_by_name() {
    // A value that is called like a key or a column is a value.
    let values = "remark,no,id,serial\nserial,101,1,A1\nno,-2,remark,no\n";
    made(
        TWO,
        values,
        &[
            (2, "app,namespace,,\nserial,data,string,A1\nno,data,i32,101\n"),
            (3, "app,namespace,,\nserial,data,string,no\nno,data,i32,-2\n"),
        ],
    );
    let configuration = Configuration::read(TWO.as_bytes()).unwrap();
    let values = Values::read(values.as_bytes(), &configuration).unwrap();
    assert_eq!(values.columns(), ["remark", "no", "id", "serial"]);
    assert_eq!((values.column("id"), values.column("ID")), (Some(2), None));
    let device = values.devices().nth(1).unwrap().unwrap();
    assert_eq!(
        (device.field(0), device.field(2), device.field(4)),
        ("no", "remark", "")
    );
}

#[test]
fn a_name_in_several_namespaces_is_as_many_columns() {
    let configuration =
        "b,namespace,\nk,data,string\nx,data,u8\na,namespace,\nk,data,string\nc,namespace,\nk,data,u8\n";
    made(
        configuration,
        "k,other,k,x,k\nfirst,?,second,7,3\n",
        &[(
            2,
            "b,namespace,,\nk,data,string,first\nx,data,u8,7\na,namespace,,\nk,data,string,second\nc,namespace,,\nk,data,u8,3\n",
        )],
    );
    // Columns that the configuration doesn't have are ignored, as often as they are there.
    made(
        "a,namespace,\nk,data,u8\n",
        "remark,,k,remark,\na,,1,b,\n",
        &[(2, "a,namespace,,\nk,data,u8,1\n")],
    );
    let configuration = Configuration::read(b"a,namespace,\nk,data,u8\nb,namespace,\nk,data,u8\n").unwrap();
    let values = Values::read(b"id,k,id,k\n1,1,2,2\n", &configuration).unwrap();
    assert_eq!(values.columns_named("k").collect::<Vec<_>>(), [1, 3]);
    assert_eq!(values.columns_named("id").collect::<Vec<_>>(), [0, 2]);
    assert_eq!((values.column("id"), values.columns_named("x").count()), (Some(0), 0));
}

#[test]
fn the_first_devices_value_is_repeated() {
    let configuration =
        "app,namespace,\nserial,data,string\nurl,data,string,REPEAT\nca,file,hex2bin,REPEAT\nn,data,u8,REPEAT\n";
    let rows = |serial| {
        format!(
            "app,namespace,,\nserial,data,string,{serial}\nurl,data,string,https://a.b\nca,file,hex2bin,hex\nn,data,u8,7\n"
        )
    };
    let values = "ca,serial,n,url\nhex,A1,7,https://a.b\n,A2,,\nhex,A3,,https://a.b\n";
    made(
        configuration,
        values,
        &[(2, &rows("A1")), (3, &rows("A2")), (4, &rows("A3"))],
    );
    // What is filled in can be seen in the device, for labels.
    let parsed = Configuration::read(configuration.as_bytes()).unwrap();
    let values = Values::read(values.as_bytes(), &parsed).unwrap();
    assert_eq!(values.devices().nth(1).unwrap().unwrap().field(3), "https://a.b");
    // A blank first value is a value.
    made(
        "a,namespace,\nk,data,string,REPEAT\ni,data,u8\n",
        "k,i\n,1\n,2\n",
        &[
            (2, "a,namespace,,\nk,data,string,\ni,data,u8,1\n"),
            (3, "a,namespace,,\nk,data,string,\ni,data,u8,2\n"),
        ],
    );
}

/// Each key's value once, whoever writes the image: decoding it again must give the same, and so must a fresh writer.
#[test]
fn a_repeated_file_is_read_once() {
    let configuration = "app,namespace,\nserial,data,string\nca,file,hex2bin,REPEAT\nown,file,binary\n";
    let configuration = Configuration::read(configuration.as_bytes()).unwrap();
    let values = Values::read(
        b"serial,ca,own\nA1,hex,base64\nA2,,base64\nA3,hex,number\n",
        &configuration,
    )
    .unwrap();
    let read = RefCell::new(Vec::new());
    let reader = |path: &str| {
        read.borrow_mut().push(path.to_owned());
        read_file(path)
    };
    let mut images = values.images(Version::V2);
    for device in values.devices().map(Result::unwrap) {
        let (mut image, mut alone) = (vec![0; SIZE], vec![1; SIZE]);
        let used = images.write(&device, &mut image, reader).unwrap();
        assert_eq!(values.write(&device, &mut alone, Version::V2, read_file), Ok(used));
        assert!(image == alone);
    }
    assert_eq!(*read.borrow(), ["hex", "base64", "base64", "number"]);
}

/// What is remembered belongs to its text, even if a caller mixes tables.
#[test]
fn a_device_of_another_table_has_its_own_values() {
    let configuration = Configuration::read(b"a,namespace,\nk,data,string,REPEAT\n").unwrap();
    let one = Values::read(b"k\none\n", &configuration).unwrap();
    let other = Values::read(b"k\nother\n", &configuration).unwrap();
    let mut images = one.images(Version::V2);
    for (values, text) in [(&one, "one"), (&other, "other"), (&one, "one")] {
        let mut image = vec![0; SIZE];
        let device = values.devices().next().unwrap().unwrap();
        images.write(&device, &mut image, read_file).unwrap();
        assert!(image == by_hand(&format!("a,namespace,,\nk,data,string,{text}\n")));
    }
}

#[test]
fn blank_fields_are_empty_values() {
    made(
        "a,namespace,\ns,data,string\nb,data,binary\nh,data,hex2bin\ne,data,base64\nf,data,blob_fill(4;0xAB)\nz,data,blob_sz_fill(2;0x00)\n",
        "s,b,h,e,f,z\n,,,,,\n\"\",,,,,\n",
        &[
            (
                2,
                "a,namespace,,\ns,data,string,\nb,data,binary,\nh,data,hex2bin,\ne,data,base64,\nf,data,blob_fill(4;0xAB),\nz,data,blob_sz_fill(2;0x00),\n",
            ),
            (
                3,
                "a,namespace,,\ns,data,string,\nb,data,binary,\nh,data,hex2bin,\ne,data,base64,\nf,data,blob_fill(4;0xAB),\nz,data,blob_sz_fill(2;0x00),\n",
            ),
        ],
    );
    made(
        "a,namespace,\ns,data,string\n",
        "s\n\"\"\n",
        &[(2, "a,namespace,,\ns,data,string,\n")],
    );
}

#[test]
fn every_encoding_of_the_generator() {
    let mut configuration = "a,namespace,\n".to_owned();
    let (mut header, mut row, mut rows) = (String::new(), String::new(), "a,namespace,,\n".to_owned());
    for (encoding, text) in [
        ("u8", "0xff"),
        ("i8", "-128"),
        ("u16", "1_000"),
        ("i16", "-32768"),
        ("u32", "4294967295"),
        ("i32", " 007 "),
        ("u64", "18446744073709551615"),
        ("i64", "-1"),
        ("float", "1.5"),
        ("double", "-inf"),
        ("string", "\"a, \"\"b\"\"\""),
        ("binary", "ä"),
        ("hex2bin", "00ff"),
        ("base64", "AA=="),
        ("blob_fill(9;0x20)", "abc"),
        ("blob_sz_fill(9;0x20)", "abc"),
    ] {
        let key = &encoding[..encoding.find('(').unwrap_or(encoding.len())];
        configuration += &format!("{key},data,{encoding}\n");
        header += &format!("{key},");
        row += &format!("{text},");
        rows += &format!("{key},data,{encoding},{text}\n");
    }
    made(&configuration, &format!("{header}id\n{row}1\n"), &[(2, &rows)]);
    // Files, under an encoding each.
    made(
        "a,namespace,\nh,file,hex2bin\nb,file,base64\nr,file,binary\nn,file,u8\ns,file,string\n",
        "h,b,r,n,s\nhex,base64,latin1,number,number\n",
        &[(
            2,
            "a,namespace,,\nh,file,hex2bin,hex\nb,file,base64,base64\nr,file,binary,latin1\nn,file,u8,number\ns,file,string,number\n",
        )],
    );
}

#[test]
fn text_as_the_generator_reads_it() {
    let want = "app,namespace,,\nserial,data,string,\"A\n\n# no comment\nB\"\nno,data,i32,1\n";
    for (line_end, mark) in [("\n", ""), ("\r\n", "\u{FEFF}"), ("\r", "")] {
        let configuration = format!("{mark}# a comment, \"\n\n{TWO}\n \t\n# end").replace('\n', line_end);
        let values =
            format!("{mark}\n#x\nserial,no\n\n# first\n\"A\n\n# no comment\nB\",1\n\n\nC,2\n").replace('\n', line_end);
        made(
            &configuration,
            &values,
            &[
                (6, want),
                (12, "app,namespace,,\nserial,data,string,C\nno,data,i32,2\n"),
            ],
        );
    }
    // Rows of a configuration may leave out what they don't need, spreadsheets add commas.
    made(
        "sep=,\napp,namespace\nserial,data,string,\nno,data,i32,,,\n,,\n",
        "serial,no,,\nC,2,,\n",
        &[(2, "app,namespace,,\nserial,data,string,C\nno,data,i32,2\n")],
    );
    made(
        TWO,
        "serial,no\nC,2,,,\n",
        &[(2, "app,namespace,,\nserial,data,string,C\nno,data,i32,2\n")],
    );
}

#[test]
fn names_that_are_words_of_the_table() {
    made(
        "REPEAT,namespace,\nnamespace,data,string\nREPEAT,data,u8\ndata,data,u8,REPEAT\n#k,data,u8\n\"file\",file,hex2bin\nnamespace,namespace,\nREPEAT,data,u8\n"
            .replace("#k", "\"#k\"")
            .as_str(),
        "namespace,REPEAT,file,data,REPEAT,#k\nREPEAT,1,hex,2,3,4\nnamespace,5,hex,,6,7\n",
        &[
            (2, "REPEAT,namespace,,\nnamespace,data,string,REPEAT\nREPEAT,data,u8,1\ndata,data,u8,2\n\"#k\",data,u8,4\nfile,file,hex2bin,hex\nnamespace,namespace,,\nREPEAT,data,u8,3\n"),
            (3, "REPEAT,namespace,,\nnamespace,data,string,namespace\nREPEAT,data,u8,5\ndata,data,u8,2\n\"#k\",data,u8,7\nfile,file,hex2bin,hex\nnamespace,namespace,,\nREPEAT,data,u8,6\n"),
        ],
    );
}

#[test]
fn namespaces_as_the_generator_writes_them() {
    // One without keys, and one that is named again at once.
    made(
        "a,namespace,\nb,namespace,\nb,namespace,\nk,data,u8\nempty,namespace,\n",
        "k\n1\n",
        &[(2, "a,namespace,,\nb,namespace,,\nk,data,u8,1\nempty,namespace,,\n")],
    );
}

#[test]
fn wifi_rows_are_computed() {
    made(
        "n,namespace,\nsta.ssid,data,string\nsta.pswd,data,string\nap.ssid,data,string\nap.passwd,data,string\nap.authmode,data,u8\n",
        "sta.ssid,sta.pswd,ap.ssid,ap.passwd,ap.authmode\nHome,12345678,IEEE,password,3\nHome,12345678,IEEE,password,3\n\
         Away,12345678,IEEE,passwords,3\nAway,12345678,IEEE2,passwords,3\nAway,x,IEEE2,,3\nAway,x,IEEE2,y,0\n",
        &[(2, "Home,12345678,IEEE,password,3"), (3, "Home,12345678,IEEE,password,3"), (4, "Away,12345678,IEEE,passwords,3"),
          (5, "Away,12345678,IEEE2,passwords,3"), (6, "Away,x,IEEE2,,3"), (7, "Away,x,IEEE2,y,0")]
            .map(|(line, fields)| {
                let fields: Vec<&str> = fields.split(',').collect();
                (line, format!(
                    "n,namespace,,\nsta.ssid,data,string,{}\nsta.pswd,data,string,{}\nap.ssid,data,string,{}\nap.passwd,data,string,{}\nap.authmode,data,u8,{}\n",
                    fields[0], fields[1], fields[2], fields[3], fields[4]
                ))
            })
            .each_ref()
            .map(|(line, rows)| (*line, rows.as_str())),
    );
    made(
        "n,namespace,\n,option,no-computed-rows\nsta.ssid,data,string\nsta.pmk,data,hex2bin\n",
        "sta.ssid,sta.pmk\nHome,00\n",
        &[(
            2,
            "n,namespace,,\n,option,no-computed-rows,\nsta.ssid,data,string,Home\nsta.pmk,data,hex2bin,00\n",
        )],
    );
}

#[test]
fn devices_are_read_again_from_the_first() {
    let configuration = Configuration::read(TWO.as_bytes()).unwrap();
    let values = Values::read(b"serial,no\nA,1\nB,2\n", &configuration).unwrap();
    let serials = || {
        values
            .devices()
            .map(|device| device.unwrap().field(0).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(serials(), ["A", "B"]);
    assert_eq!(serials(), ["A", "B"]);
    std::thread::scope(|scope| {
        for device in values.devices().map(Result::unwrap) {
            let values = &values;
            scope.spawn(move || values.write(&device, &mut [0; SIZE], Version::V2, read_file).unwrap());
        }
    });
}

#[test]
fn version_and_size_are_the_callers() {
    let configuration = Configuration::read(b"a,namespace,\nk,data,binary\n").unwrap();
    let values = Values::read(b"k\nabc\n", &configuration).unwrap();
    let device = values.devices().next().unwrap().unwrap();
    let mut image = vec![0; 0x3000];
    let mut want = vec![0; 0x3000];
    assert_eq!(values.write(&device, &mut image, Version::V1, read_file), Ok(0x1000));
    let mut generator = Generator::new(&mut want, Version::V1).unwrap();
    generator
        .add(
            format!("{HEADER}a,namespace,,\nk,data,binary,abc\n").as_bytes(),
            read_file,
        )
        .unwrap();
    generator.finish();
    assert!(image == want);
    let errors = values
        .write(&device, &mut image[..100], Version::V2, read_file)
        .unwrap_err();
    assert!(matches!(errors[..], [Error { line: 2, .. }]), "{errors:?}");
}
