"""Runs Espressif's NVS generator many times in one process.

    .tools/venv/bin/python tools/espressif_generator.py

Each line of standard input is {"args": [...], "cwd": "DIR"}: the generator's own arguments
(`generate IN.csv OUT.bin 0x6000`, `encrypt …`, `decrypt …`, `generate-key …`) and, if given, the folder
that relative paths start from. For each, one line on standard output: {"exit": N, "output": "…"}: its
exit code (as it leaves it: 0 also where it only complains), null if it crashed, and what it printed. The
package is esp-idf-nvs-partition-gen in the version of tools/requirements.txt; its command line is the
one that runs, in a fresh click context each time.
"""

import contextlib
import io
import json
import os
import sys
import traceback

from esp_idf_nvs_partition_gen import nvs_partition_gen


def run(arguments):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            nvs_partition_gen._build_cli()(arguments, prog_name="nvs_partition_gen")
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            code = None
    return {"exit": code, "output": printed.getvalue()}


def main():
    home = os.getcwd()
    for line in sys.stdin:
        request = json.loads(line)
        os.chdir(request.get("cwd", home))
        answer = run(request["args"])
        print(json.dumps(answer), flush=True)


main()
