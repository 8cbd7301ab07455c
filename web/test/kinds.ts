/** Parses files, one in hexadecimal digits a line, and prints "ok" or the kind of error for each. */

import { readFileSync } from "node:fs";

import { parse } from "../src/container.js";

for (const line of readFileSync(0, "utf8").split("\n").slice(0, -1)) {
  try {
    parse(new Uint8Array(Buffer.from(line, "hex")));
    console.log("ok");
  } catch (error) {
    console.log((error as Error).name, (error as Error).message);
  }
}
