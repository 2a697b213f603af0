//! A simulated board on a pseudo-terminal: `tests/board_bench/board.py`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use esp_idf_part::PartitionTable;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::espressif::python;
use crate::folder::Folder;

/// The chips that every test of the cable runs with.
pub(crate) const CHIPS: [&str; 4] = ["esp32", "esp32c3", "esp32s3", "esp32c6"];

/// Of every simulated board.
pub(crate) const FLASH_SIZE: usize = 4 << 20;

/// Where [`flash`] has its partition `nvs`, and how large it is.
pub(crate) const NVS: std::ops::Range<usize> = 0x9000..0xF000;

/// A simulated board, which ends with this value.
pub(crate) struct Bench {
    folder: Folder,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    python: PathBuf,
    chip: String,
    ready: Ready,
}

#[derive(Deserialize)]
struct Ready {
    port: String,
    esptool_port: u16,
    mac: String,
}

/// What happened on the cable and in the flash: see `Board.report` in `board.py`.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) names: Vec<String>,
    pub(crate) sent: usize,
    pub(crate) erased: Vec<usize>,
    pub(crate) written: usize,
    pub(crate) violations: usize,
    pub(crate) cut: bool,
}

impl Bench {
    /// A board with this flash; the rest of it is erased. `None` if the simulated chip is not installed, which is printed.
    pub(crate) fn new(chip: &str, flash: &[u8]) -> Option<Self> {
        Self::with(chip, flash, &[])
    }

    /// The same with more arguments for `board.py`.
    pub(crate) fn with(chip: &str, flash: &[u8], arguments: &[&str]) -> Option<Self> {
        let python = python("esp32_mock_bootloader", "The simulated chip of the tests")?;
        let folder = Folder::new();
        let flash = folder.write("flash.bin", flash);
        let mut child = Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/board_bench/board.py"))
            .args(["--chip", chip, "--flash"])
            .arg(flash)
            .arg("--link")
            .arg(folder.file("port"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let ready = serde_json::from_value(line(&mut output)).unwrap();
        Some(Self {
            folder,
            child,
            input,
            output,
            python,
            chip: chip.to_string(),
            ready,
        })
    }

    pub(crate) fn port(&self) -> &str {
        &self.ready.port
    }

    pub(crate) fn mac(&self) -> &str {
        &self.ready.mac
    }

    /// What the flash has now.
    pub(crate) fn flash(&self) -> Vec<u8> {
        self.folder.read("flash.bin")
    }

    /// Gives the flash another content from its beginning on. The board has the file open: it stays the same file.
    pub(crate) fn set_flash(&self, content: &[u8]) {
        let file = std::fs::File::options().write(true).open(self.folder.file("flash.bin"));
        file.unwrap().write_all(content).unwrap();
    }

    /// Sends a line of `board.py`'s commands.
    pub(crate) fn tell(&mut self, command: &str) -> Json {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
        let answer = line(&mut self.output);
        assert_eq!(answer.get("error"), None, "{command}");
        answer
    }

    pub(crate) fn report(&mut self) -> Report {
        serde_json::from_value(self.tell("report")).unwrap()
    }

    /// Reads the flash with the real esptool, from the ROM loader, past the cable.
    pub(crate) fn read_by_esptool(&self, range: std::ops::Range<usize>) -> Vec<u8> {
        let port = format!("socket://127.0.0.1:{}", self.ready.esptool_port);
        let (offset, size) = (range.start.to_string(), range.len().to_string());
        self.esptool(&["--port", &port, "--no-stub", "read-flash", &offset, &size, "read.bin"]);
        self.folder.read("read.bin")
    }

    /// Runs the real esptool in the board's folder.
    pub(crate) fn esptool(&self, arguments: &[&str]) {
        let output = Command::new(&self.python)
            .args(["-m", "esptool", "--chip", &self.chip])
            .args(["--before", "no-reset", "--after", "no-reset"])
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "esptool {arguments:?}: {text}");
    }

    /// A program that has the port open, as a serial monitor does.
    pub(crate) fn occupy(&self) -> Monitor {
        let script = "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); sys.stdin.read()";
        let mut child = Command::new(&self.python)
            .args(["-c", script, self.port()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut open = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut open)
            .unwrap();
        assert_eq!(open, "open\n");
        Monitor(child)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Monitor(Child);

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn line(output: &mut BufReader<ChildStdout>) -> Json {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// A partition table as its binary.
pub(crate) fn partition_table(csv: &str) -> Vec<u8> {
    PartitionTable::try_from_str(csv).unwrap().to_bin().unwrap()
}

/// A flash with a partition table and this partition `nvs`; beside it are another of type NVS and an application.
pub(crate) fn flash(nvs: &[u8]) -> Vec<u8> {
    let table = "nvs,data,nvs,0x9000,0x6000,\nphy_init,data,phy,0xf000,0x1000,\nfactory,app,factory,0x10000,1M,\n\
                 settings,data,nvs,0x110000,0x3000,\n";
    let mut flash = vec![0xFF; 0x11_3000];
    let table = partition_table(table);
    flash[0x8000..][..table.len()].copy_from_slice(&table);
    flash[NVS.start..][..nvs.len()].copy_from_slice(nvs);
    let application = (0..0x2_0000_usize).map(|number| ((number * number) >> 7) as u8);
    flash.splice(0x1_0000..0x3_0000, application);
    flash
}

/// The partition `nvs` of a board that is in use: its device, its Wi-Fi, and values of the application.
pub(crate) fn nvs() -> Vec<u8> {
    let folder = Folder::new();
    folder.write(
        "nvs.csv",
        "key,type,encoding,value\nprov,namespace,,\ndevice_key,data,string,vibxdl4f\n\
         client_id,data,string,iotdevice-vibxdl4f\nclient_secret,data,string,SECRET-of-vibxdl4f\n\
         nvs.net80211,namespace,,\nsta.apsw,data,string,SECRET-of-the-wifi\nphy,namespace,,\ncal_version,data,u32,7\n\
         app,namespace,,\nboots,data,u16,513\n",
    );
    folder.line("fleetmint nvs generate nvs.csv nvs.bin 0x6000").done();
    folder.read("nvs.bin")
}
