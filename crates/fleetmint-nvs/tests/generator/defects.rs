//! Defects of Espressif's generator. Each entry has this crate's behaviour, and a check that the generator still has
//! the defect: when it is fixed there, the entry can be deleted here.

use crate::espressif::{Answer, Espressif};
use crate::ours;
use crate::tables::Tables;
use fleetmint_nvs::csv::ErrorKind;
use fleetmint_nvs::image::{self, Item};
use fleetmint_nvs::layout::Version;
use fleetmint_nvs::{Error, Key, Namespace, crypt};

struct Defect {
    what: &'static str,
    tables: Tables,
    ours: Ours,
    theirs: Theirs,
}

enum Ours {
    /// An error at this line, of this kind.
    Error(usize, fn(&ErrorKind) -> bool),
    Image(Vec<u8>),
}

#[derive(Debug, PartialEq)]
enum Theirs {
    /// An image that isn't ours, or that nobody should have.
    BadImage,
    /// A traceback or another error.
    Refusal,
}

fn rows(rows: &str) -> Tables {
    Tables::of(rows)
}

fn image_of(items: &[Item<'_>]) -> Ours {
    Ours::Image(image::encode(items, 0x6000).unwrap())
}

fn item<'a>(key: &str, value: impl Into<image::Value<'a>>) -> Item<'a> {
    Item::new(Namespace::new("n").unwrap(), Key::new(key).unwrap(), value)
}

fn defects() -> Vec<Defect> {
    let namespaces: String = (0..255).map(|i| format!("n{i},namespace,,\n")).collect();
    let numbers: String = (0..124).map(|i| format!("k{i},data,u8,1\n")).collect();
    let names: Vec<String> = (0..124)
        .map(|i| format!("k{i}"))
        .chain(["schlüssel".to_owned()])
        .collect();
    let last_is_not_ascii: Vec<Item<'_>> = names.iter().map(|name| item(name, 1_u8)).collect();
    let long = "x".repeat(3968);
    let rows_of_files = |row: &str, file: &[u8], size: usize| Tables {
        files: vec![("file".to_owned(), file.to_vec())],
        size,
        ..rows(&format!("n,namespace,,\n{row}\n"))
    };
    let too_long: fn(&ErrorKind) -> bool = |kind| matches!(kind, ErrorKind::Image(Error::ValueTooLong { .. }));
    let name_too_long: fn(&ErrorKind) -> bool = |kind| matches!(kind, ErrorKind::Image(Error::NameTooLong { .. }));
    vec![
        Defect {
            what: "a namespace taken up again gets its rows into the latest",
            tables: rows("a,namespace,,\nx,data,u8,1\nb,namespace,,\na,namespace,,\ny,data,u8,1\n"),
            ours: Ours::Error(6, |kind| matches!(kind, ErrorKind::Reopened { .. })),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "a namespace that two tables open gets the second table's rows into the latest",
            tables: Tables {
                tables: [
                    "n,namespace,,\nx,data,u8,1\nm,namespace,,\n",
                    "n,namespace,,\ny,data,u8,1\n",
                ]
                .map(|rows| format!("key,type,encoding,value\n{rows}").into())
                .to_vec(),
                ..rows("")
            },
            ours: {
                let mut image = vec![0; 0x6000];
                let mut writer = image::Writer::new(&mut image, Version::V2).unwrap();
                for (namespace, key) in [("n", Some("x")), ("m", None), ("n", Some("y"))] {
                    let namespace = Namespace::new(namespace).unwrap();
                    writer.namespace(&namespace).unwrap();
                    if let Some(key) = key {
                        writer.set(&namespace, &Key::new(key).unwrap(), 1_u8.into()).unwrap();
                    }
                }
                writer.finish();
                Ours::Image(image)
            },
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "an empty table makes a page without anything",
            tables: rows(""),
            ours: Ours::Error(1, |kind| matches!(kind, ErrorKind::Empty)),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "names of columns with blanks",
            tables: Tables {
                tables: vec!["key, type, encoding, value \nn,namespace,,\nk,data,u8,1\n".into()],
                ..rows("")
            },
            ours: image_of(&[item("k", 1_u8)]),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "rows of commas",
            tables: rows("n,namespace,,\nk,data,u8,1\n,,,\n,,,\n"),
            ours: image_of(&[item("k", 1_u8)]),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "a table that has the Wi-Fi rows itself (the option is this crate's; the generator would write them twice)",
            tables: rows(
                "n,namespace,,\n,option,no-computed-rows,\nsta.ssid,data,string,x\nsta.apsw,data,hex2bin,1234\n",
            ),
            ours: image_of(&[item("sta.ssid", "x"), item("sta.apsw", &[0x12, 0x34][..])]),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "rows before any namespace become namespaces",
            tables: rows("k,data,u8,7\n"),
            ours: Ours::Error(2, |kind| matches!(kind, ErrorKind::NoNamespace { .. })),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "duplicate keys pass",
            tables: rows("n,namespace,,\nk,data,u8,1\nk,data,string,one\n"),
            ours: Ours::Error(4, |kind| matches!(kind, ErrorKind::DuplicateKey { .. })),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "a key of 15 characters and more bytes overflows its entry",
            tables: rows("n,namespace,,\nschlüsselwörter,data,u8,1\n"),
            ours: Ours::Error(3, name_too_long),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "so does a namespace",
            tables: rows("schlüsselwörter,namespace,,\n"),
            ours: Ours::Error(2, name_too_long),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "and any key that isn't ASCII overflows its page, if it stands in the last entry",
            tables: rows(&format!("n,namespace,,\n{numbers}schlüssel,data,u8,1\n")),
            ours: image_of(&last_is_not_ascii),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "a 255th namespace",
            tables: Tables {
                size: 0x1_0000,
                ..rows(&namespaces)
            },
            ours: Ours::Error(256, |kind| {
                matches!(kind, ErrorKind::Image(Error::TooManyNamespaces { .. }))
            }),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "a 256th namespace",
            tables: Tables {
                size: 0x1_0000,
                ..rows(&format!("{namespaces}n255,namespace,,\n"))
            },
            ours: Ours::Error(256, |kind| {
                matches!(kind, ErrorKind::Image(Error::TooManyNamespaces { .. }))
            }),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "a blob of more than 508,000 bytes",
            tables: rows_of_files("k,file,binary,file", &[1; 508_001], 0x10_0000),
            ours: Ours::Error(3, too_long),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "a blob in 128 chunks",
            tables: rows_of_files("k,file,binary,file", &[1; 508_000], 0x10_0000),
            ours: Ours::Error(3, too_long),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "a string of 3969 to 4000 bytes with NUL",
            tables: rows(&format!("n,namespace,,\nk,data,string,{long}\n")),
            ours: image_of(&[item("k", long.as_str())]),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "hexadecimal integers",
            tables: rows("n,namespace,,\nk,data,u8,0x10\n"),
            ours: image_of(&[item("k", 16_u8)]),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "float",
            tables: rows("n,namespace,,\nk,data,float,1.5\n"),
            ours: image_of(&[item("k", 1.5_f32)]),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "double",
            tables: rows("n,namespace,,\nk,data,double,-1e300\n"),
            ours: image_of(&[item("k", -1e300_f64)]),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "a line that begins with # inside quotes vanishes",
            tables: rows("n,namespace,,\nk,data,string,\"a\n#b\nc\"\n"),
            ours: image_of(&[item("k", "a\n#b\nc")]),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "binary counts characters",
            tables: rows("n,namespace,,\nk,data,binary,café\n"),
            ours: image_of(&[item("k", "café".as_bytes())]),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "base64 that isn't any passes as an empty blob",
            tables: rows("n,namespace,,\nk,data,base64,!!!\n"),
            ours: Ours::Error(3, |kind| matches!(kind, ErrorKind::Base64 { .. })),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "a byte-order mark",
            tables: Tables {
                tables: vec!["\u{FEFF}key,type,encoding,value\nn,namespace,,\nk,data,u8,1\n".into()],
                ..rows("")
            },
            ours: image_of(&[item("k", 1_u8)]),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "sta.ssid from a file stores the path",
            tables: rows_of_files("sta.ssid,file,string,file", b"Home", 0x6000),
            ours: Ours::Error(3, |kind| matches!(kind, ErrorKind::WifiText { .. })),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "ap.pmk_info from a path",
            tables: rows_of_files(
                "ap.authmode,data,u8,3\nap.ssid,data,string,x\nap.passwd,file,string,file",
                b"12345678",
                0x6000,
            ),
            ours: Ours::Error(5, |kind| matches!(kind, ErrorKind::WifiText { .. })),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "a value with a comma and no quotes is cut",
            tables: rows("n,namespace,,\nk,data,string,a,b\n"),
            ours: Ours::Error(3, |kind| matches!(kind, ErrorKind::TooManyFields { .. })),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "an unclosed quote swallows the rest of the table",
            tables: rows("n,namespace,,\nk,data,string,\"a\nl,data,u8,1\n"),
            ours: Ours::Error(3, |kind| matches!(kind, ErrorKind::UnclosedQuote)),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "an encoding in capitals stores a string without NUL",
            tables: rows("n,namespace,,\nk,data,STRING,a\n"),
            ours: Ours::Error(3, |kind| matches!(kind, ErrorKind::UnknownEncoding { .. })),
            theirs: Theirs::BadImage,
        },
        Defect {
            what: "what doesn't fit leaves an empty file",
            tables: Tables {
                size: 0x1000,
                ..rows(&format!(
                    "n,namespace,,\nk,data,string,a\nl,data,string,{}\n",
                    "x".repeat(3900)
                ))
            },
            ours: Ours::Error(4, |kind| {
                matches!(
                    kind,
                    ErrorKind::Image(Error::NotEnoughSpace {
                        needed: 123,
                        free: 122,
                        ..
                    })
                )
            }),
            theirs: Theirs::Refusal,
        },
        Defect {
            what: "strings over 1984 bytes in version 1 (refused by both)",
            tables: Tables {
                version: Version::V1,
                ..rows(&format!("n,namespace,,\nk,data,string,{}\n", "x".repeat(1984)))
            },
            ours: Ours::Error(3, too_long),
            theirs: Theirs::Refusal,
        },
    ]
}

#[test]
fn defects_of_the_generator_are_errors_or_correct_here() {
    for Defect {
        what,
        tables,
        ours: want,
        ..
    } in defects()
    {
        match (ours(&tables), want) {
            (Err(error), Ours::Error(line, kind)) => {
                assert!(error.line == line && kind(&error.kind), "{what}: {error}");
            }
            (Ok(image), Ours::Image(want)) => assert!(image == want, "{what}"),
            (Err(error), Ours::Image(_)) => panic!("{what}: {error}"),
            (Ok(_), Ours::Error(..)) => panic!("{what}: no error"),
        }
    }
}

#[test]
fn the_generator_still_has_the_defects() {
    let Some(mut espressif) = Espressif::start("defects") else {
        return;
    };
    for Defect {
        what,
        tables,
        ours,
        theirs,
    } in defects()
    {
        let found = match (espressif.generate(&tables), ours) {
            (Answer::Refusal(_), _) => Theirs::Refusal,
            (Answer::Image(image), Ours::Image(ours)) => {
                assert!(image != ours, "{what}: repaired");
                Theirs::BadImage
            }
            (Answer::Image(_), Ours::Error(..)) => Theirs::BadImage,
        };
        assert_eq!(found, theirs, "{what}");
    }
}

#[test]
fn decrypting_uses_each_entrys_place_also_after_blank_entries() {
    let plain = image::encode(&[item("a", 1_u8), item("b", 2_u8), item("c", 3_u8)], 0x3000).unwrap();
    let keys = crate::espressif::keys();
    let mut cipher = plain.clone();
    crypt::encrypt(&mut cipher, &keys).unwrap();
    // An erased entry that is marked written, as an interrupted write leaves it.
    let hole = 64 + 32..64 + 64;
    cipher[hole.clone()].fill(0xFF);
    let mut want = plain;
    want[hole].fill(0xFF);
    let mut image = cipher.clone();
    crypt::decrypt(&mut image, &keys).unwrap();
    assert!(image == want);
    let Some(mut espressif) = Espressif::start("hole") else {
        return;
    };
    assert!(espressif.decrypt(&cipher) != want, "repaired");
}
