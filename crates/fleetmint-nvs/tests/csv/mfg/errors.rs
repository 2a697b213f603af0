//! What is refused: all that is wrong at once, each with its line and key, and never with a value.

use super::{TWO, images};
use fleetmint_nvs::csv::mfg::{Configuration, ERRORS_MAX, Error, ErrorKind, Values};
use fleetmint_nvs::csv::{self, FileFormat, SurplusComma};
use fleetmint_nvs::layout::Version;

fn of_configuration(text: &str) -> Vec<Error> {
    Configuration::read(text.as_bytes()).unwrap_err()
}

fn texts(errors: &[Error]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// There are as many errors as here, each in this line and with these words.
#[track_caller]
fn are(errors: &[Error], wanted: &[(usize, &str)]) {
    assert_eq!(errors.len(), wanted.len(), "{:?}", texts(errors));
    for (error, (line, words)) in errors.iter().zip(wanted) {
        assert!(
            error.line == *line && error.to_string().contains(words),
            "{error}, {line} {words}"
        );
    }
}

#[test]
fn all_rows_of_a_configuration() {
    are(
        &of_configuration(
            "app,namespace,\nk,data,u9\n\n# comment\nk2,datum,u8\nk3,data\nk4\nk5,data,u8,repeat\nk6,data,u8,REPEAT,x\n\
             a_key_of_16_byte,data,u8\nk7,data,u8\nk7,data,string\ngone,delete,\n,delete-all,\n,option,what\n\
             k8,data,blob_fill(508001;0x00)\n",
        ),
        &[
            (2, "encoding \"u9\" is none of"),
            (5, "key \"k2\": the type"),
            (6, "encoding"),
            (7, "ends before its type"),
            (8, "key \"k5\": the fourth field is neither REPEAT"),
            (9, "at most 4"),
            (10, "a_key_of_16_byte"),
            (12, "key \"k7\" is already in namespace \"app\", by line 11"),
            (13, "delete rows"),
            (14, "delete-all rows"),
            (15, "option \"what\""),
            (16, "key \"k8\": the encoding asks for more than"),
        ],
    );
    are(
        &of_configuration("k,data,u8\nl,data,u8\n"),
        &[(1, "\"k\" comes before any namespace"), (2, "\"l\" comes")],
    );
    are(
        &of_configuration("a,namespace,\nk,data,u8\nb,namespace,\nk,data,u8\na,namespace,\nl,data,u8\n"),
        &[(6, "namespace \"a\" of line 1 is opened again after \"b\"")],
    );
    are(&of_configuration(""), &[(1, "no keys")]);
    are(&of_configuration("a,namespace,\n"), &[(1, "no keys")]);
}

/// Keys after a namespace whose row is wrong are not those of the namespace before it.
#[test]
fn a_wrong_namespace_is_one_error() {
    are(
        &of_configuration(
            "a,namespace,\nk,data,u8\na_name_of_17bytes,namespace,\nk,data,u8\nl,data,u9\nb,namespace,\nk,data,u8\n",
        ),
        &[(3, "a_name_of_17bytes"), (5, "u9")],
    );
    let many: String = (0..300).map(|i| format!("n{i},namespace,\nk,data,u8\n")).collect();
    let errors = of_configuration(&many);
    assert_eq!(errors.len(), 1);
    assert!(matches!(
        errors[0].kind,
        ErrorKind::Table(csv::ErrorKind::Image(fleetmint_nvs::Error::TooManyNamespaces { .. }))
    ));
    assert_eq!(errors[0].line, 2 * 254 + 1);
}

#[test]
fn wifi_rows_that_any_device_has_are_errors_of_the_configuration() {
    are(
        &of_configuration("n,namespace,\nsta.ssid,data,string\nsta.pmk,data,hex2bin\n"),
        &[(3, "key \"sta.pmk\" is already")],
    );
    are(
        &of_configuration("n,namespace,\nsta.pmk,data,hex2bin\nsta.ssid,data,string\n"),
        &[(3, "key \"sta.pmk\", which is written along with \"sta.ssid\"")],
    );
    are(
        &of_configuration("n,namespace,\nsta.ssid,file,string\n"),
        &[(2, "key \"sta.ssid\": Espressif's")],
    );
    let ap = "n,namespace,\nap.ssid,file,string\nap.passwd,data,string\nap.authmode,data,u8\n";
    are(
        &images(ap, "ap.ssid,ap.passwd,ap.authmode\nnumber,12345678,3\n").unwrap_err(),
        &[(2, "key \"ap.authmode\": Espressif's")],
    );
}

/// The two tables given in the wrong order, or a table of the generator. What is shown of it is no value.
#[test]
fn another_table_is_one_error_without_its_content() {
    for text in [
        "serial,device_key\nA001,s3cr3t\nA002,s3cr3t\n",
        "key,type,encoding,value\napp,namespace,,\nk,data,string,s3cr3t\n",
        "type,key,value,encoding\nnamespace,app,,\ndata,k,s3cr3t,string\n",
        "s3cr3t\nb\n",
    ] {
        let errors = of_configuration(text);
        assert_eq!(
            (errors.len(), errors[0].line, &errors[0].kind),
            (1, 1, &ErrorKind::NotAConfiguration)
        );
        assert!(!format!("{errors:?} {:?}", texts(&errors)).contains("s3cr3t"));
    }
    let with_values = of_configuration("app,namespace,,\nk,data,string,s3cr3t\nl,s3cr3t,string,s3cr3t\n");
    are(&with_values, &[(2, "\"k\""), (3, "\"l\"")]);
    assert!(!format!("{with_values:?} {:?}", texts(&with_values)).contains("s3cr3t"));
    for separator in [';', '\t'] {
        let text = TWO.replace(',', &separator.to_string());
        assert_eq!(
            of_configuration(&text)[0].kind,
            ErrorKind::Table(csv::ErrorKind::FileFormat(FileFormat::Separator(separator)))
        );
        let errors = images(TWO, &"serial,no\nA,1\n".replace(',', &separator.to_string())).unwrap_err();
        assert_eq!(
            (errors.len(), &errors[0].kind),
            (
                1,
                &ErrorKind::Table(csv::ErrorKind::FileFormat(FileFormat::Separator(separator)))
            )
        );
    }
    assert_eq!(
        of_configuration("PK\u{3}\u{4}")[0].kind,
        ErrorKind::Table(csv::ErrorKind::FileFormat(FileFormat::Zip))
    );
    are(&of_configuration("app,Namespace,\nk,data,u8\n"), &[(1, "type")]);
}

#[test]
fn all_columns_of_the_header() {
    let configuration = "a,namespace,\nk,data,u8\nl,data,u8\nm,data,u8\nb,namespace,\nk,data,u8\n";
    are(
        &images(configuration, "\n# x\nk, L ,id\n1,1,1\n").unwrap_err(),
        &[
            (
                3,
                "key \"l\": the header has no column of this name; it has the column \" L \"",
            ),
            (3, "key \"m\": the header has no column of this name"),
            (3, "key \"k\": the configuration has it more often than the 1 columns"),
        ],
    );
    are(
        &images(configuration, "k,l,m,k,k,l\n1,1,1,1,1,1\n").unwrap_err(),
        &[
            (1, "key \"k\": the header has 3 columns"),
            (1, "key \"l\": the header has 2 columns"),
        ],
    );
    are(&images(TWO, "").unwrap_err(), &[(1, "no rows")]);
    are(&images(TWO, "# only a comment\n\n").unwrap_err(), &[(1, "no rows")]);
    are(
        &images(TWO, "\nserial,no\n\n# none\n").unwrap_err(),
        &[(2, "a header and no devices")],
    );
}

#[test]
fn all_rows_of_the_values() {
    are(
        &images(TWO, "serial,no\nA,1\n\nB\n\"C\nD\",x\nE,1,s3cr3t\nF,\n,\n ,3\nG,0x100000000\n\u{201C}s3cr3t,x\u{201D},1\nH, \"1,2\"\n")
            .unwrap_err(),
        &[
            (4, "the row has 1 fields, the header 2 columns"),
            (5, "key \"no\": the value is not a number"),
            (7, "the row has 3 fields, the header 2 columns; a value with a comma needs quotes"),
            (8, "key \"no\": the value is not a number, which i32 requires; it is empty"),
            (9, "only blank fields, and key \"no\" needs a value"),
            (11, "key \"no\": the value is out of range for i32"),
            (12, "typographic"),
            (13, "without a blank"),
        ],
    );
    // A file has a name.
    let file = "a,namespace,\ns,data,string\nf,file,binary\n";
    are(
        &images(file, "s,f\nA,\n,\n,hex\n").unwrap_err(),
        &[
            (2, "key \"f\": file \"\""),
            (3, "only blank fields, and key \"f\" needs a value"),
        ],
    );
    let errors = images(TWO, "serial,no\nA,1\nB,\"2\n").unwrap_err();
    assert_eq!(
        errors,
        [Error {
            line: 3,
            kind: ErrorKind::Table(csv::ErrorKind::UnclosedQuote)
        }]
    );
    // After a blank before a quote, the comma separates.
    let errors = images(TWO, "serial,no\nA, \"1,2\"\n").unwrap_err();
    assert!(matches!(
        errors[0].kind,
        ErrorKind::Table(csv::ErrorKind::TooManyFields {
            cause: SurplusComma::BlankBeforeQuote,
            ..
        })
    ));
}

/// Also those that come after one that NVS doesn't allow, or that didn't fit.
#[test]
fn all_keys_of_a_device() {
    let configuration = "a,namespace,\nb1,data,u8\ns1,data,string\nf,file,hex2bin\nb2,data,float\ns2,data,string\nh,data,hex2bin\nn,data,binary\nb,namespace,\nb1,data,u8\n";
    let long = "x".repeat(4000);
    let big = "x".repeat(20_000);
    are(
        &images(
            configuration,
            &format!("b1,s1,f,b2,s2,h,n,b1\n1,ok,hex,nan,{long},0,,1\nx,a,none,1,\0,0g,,256\n1,{long},hex,1,b,00,,1\n"),
        )
        .unwrap_err(),
        &[
            (2, "b2"),
            (2, "s2"),
            (2, "key \"h\""),
            (3, "key \"b1\": the value is not a number"),
            (3, "key \"f\": file \"none\": no such file"),
            (3, "s2"),
            (3, "key \"h\""),
            (3, "key \"b1\": the value is out of range"),
            (4, "s1"),
        ],
    );
    // The first that doesn't fit, and what is wrong with the others.
    are(
        &images(
            configuration,
            &format!("b1,s1,f,b2,s2,h,n,b1\n1,a,hex,1,ok,00,{big},300\n1,a,hex,nan,ok,00,{big},300\n"),
        )
        .unwrap_err(),
        &[
            (2, "\"n\" does not fit"),
            (2, "out of range"),
            (3, "b2"),
            (3, "\"n\" does not fit"),
            (3, "out of range"),
        ],
    );
}

/// The row of a namespace doesn't fit: the keys after it are not those of the one before.
#[test]
fn a_namespace_without_room_is_one_error() {
    let configuration = "a,namespace,\nk,data,binary\nb,namespace,\nk,data,u8\nl,data,u8\n";
    let configuration = Configuration::read(configuration.as_bytes()).unwrap();
    // 4096 bytes have 126 entries: two namespaces, index, data and its 122.
    let fill = "x".repeat(123 * 32);
    let text = format!("k,k,l\n{fill},1,x\n{},1,1\n", "x".repeat(32));
    let values = Values::read(text.as_bytes(), &configuration).unwrap();
    let mut devices = values.devices().map(Result::unwrap);
    let mut images = values.images(Version::V2);
    let mut image = vec![0; 0x1000];
    let errors = images
        .write(&devices.next().unwrap(), &mut image, super::read_file)
        .unwrap_err();
    are(
        &errors,
        &[(2, "\"b\" does not fit"), (2, "key \"l\": the value is not a number")],
    );
    assert!(
        images
            .write(&devices.next().unwrap(), &mut image, super::read_file)
            .is_ok()
    );
}

#[test]
fn a_repeated_value_that_changes() {
    let configuration = "a,namespace,\nk,data,string,REPEAT\nl,data,u8,REPEAT\ni,data,u8\n";
    let errors = images(configuration, "k,l,i\nx,1,1\ns3cr3t,2,2\n,,3\nx,1,4\n \t,,5\n").unwrap_err();
    are(
        &errors,
        &[
            (
                3,
                "key \"k\": the configuration says REPEAT, and the value is not that of the first device (line 2)",
            ),
            (3, "key \"l\": the configuration says REPEAT"),
            (6, "key \"k\""),
        ],
    );
    assert!(!format!("{errors:?}{:?}", texts(&errors)).contains("s3cr3t"));
    // Blank in the first device.
    are(
        &images(configuration, "k,l,i\n,1,1\nx,,2\n").unwrap_err(),
        &[(3, "key \"k\"")],
    );
}

/// What is wrong with the first device's value has its line, whoever repeats it. No device that repeats it has an image.
#[test]
fn a_wrong_repeated_value_is_the_same_error_for_all() {
    let configuration = Configuration::read(b"a,namespace,\nca,file,binary,REPEAT\n").unwrap();
    let values = Values::read(b"ca,id\nhex,1\n,2\n", &configuration).unwrap();
    // The file disappears after the first device.
    let mut images = values.images(Version::V2);
    let mut image = vec![0; 0x3000];
    let gone = |_: &str| Err::<Vec<u8>, _>("gone");
    let devices: Vec<_> = values.devices().map(Result::unwrap).collect();
    let errors = values.write(&devices[1], &mut image, Version::V2, gone).unwrap_err();
    are(&errors, &[(2, "key \"ca\": file \"hex\": gone")]);
    images.write(&devices[0], &mut image, super::read_file).unwrap();
    assert!(
        images.write(&devices[1], &mut image, gone).is_ok(),
        "it was read before"
    );
}

#[test]
fn a_wrong_repeated_value_is_one_error() {
    let configuration = "a,namespace,\nl,data,u8,REPEAT\ni,data,u8\n";
    are(
        &images(configuration, "l,i\nx,1\n,2\n,y\nx,4\n").unwrap_err(),
        &[(2, "key \"l\""), (4, "key \"i\"")],
    );
    are(
        &images(configuration, "l,i\n,1\n,2\n").unwrap_err(),
        &[(
            2,
            "key \"l\": the value is not a number, which u8 requires; it is empty",
        )],
    );
    // A first row that is wrong: what the others repeat is not known.
    are(
        &images(configuration, "l,i\n1\n,2\n,y\n5,5,5\n,6\n").unwrap_err(),
        &[(2, "1 fields"), (5, "3 fields")],
    );
    // Without REPEAT nothing depends on it.
    are(
        &images("a,namespace,\nl,data,u8\ni,data,u8\n", "l,i\n1\n1,2\n1,y\n").unwrap_err(),
        &[(2, "1 fields"), (4, "key \"i\"")],
    );
    // A value that takes no room is still told once for each that does not fit.
    let configuration = "a,namespace,\nl,data,string,REPEAT\ni,data,u8\n";
    let long = "x".repeat(4000);
    are(
        &images(configuration, &format!("l,i\n{long},1\n,2\n")).unwrap_err(),
        &[(2, "l")],
    );
}

#[test]
fn errors_have_a_limit_and_are_counted() {
    let rows = "k,data,u9\n".repeat(ERRORS_MAX);
    let errors = of_configuration(&format!("a,namespace,\n{rows}"));
    assert_eq!(
        (errors.len(), errors[ERRORS_MAX - 1].line),
        (ERRORS_MAX, ERRORS_MAX + 1)
    );
    let errors = of_configuration(&format!("a,namespace,\n{rows}k,data,u9\n"));
    assert_eq!(errors.len(), ERRORS_MAX + 1);
    assert_eq!(
        errors[ERRORS_MAX].to_string(),
        "line 1002: 1 more error, in this line, is not listed"
    );
    let errors = of_configuration(&format!("a,namespace,\n{rows}{rows}"));
    assert_eq!(errors.len(), ERRORS_MAX + 1);
    assert_eq!(
        errors[ERRORS_MAX].to_string(),
        "line 1002: 1000 more errors, from this line on, are not listed"
    );
}

#[test]
fn debug_shows_no_value() {
    let configuration = Configuration::read(b"a,namespace,\nk,data,string\nap.passwd,data,string,REPEAT\n").unwrap();
    let values = Values::read(b"k,ap.passwd\ns3cr3t,s3cr3t\n", &configuration).unwrap();
    let mut images = values.images(Version::V2);
    let mut devices = values.devices();
    let device = devices.next().unwrap().unwrap();
    images.write(&device, &mut [0; 0x3000], super::read_file).unwrap();
    let text = format!("{configuration:?}{values:?}{devices:?}{device:?}{images:?}");
    assert!(!text.contains("s3cr3t"), "{text}");
}
