/** The page: drop a file, see it, zoom, save it as PNG. */

import { type Decoded, Decoder, type Part, toPng } from "../src/index.js";
import { View } from "./view.js";

const of = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const stage = of("stage");
const canvas = of<HTMLCanvasElement>("canvas");
const input = of<HTMLInputElement>("file");
const status = of("status");
const view = new View(stage, canvas, of<HTMLOutputElement>("zoom"));
const decoder = new Decoder(new URL(".", import.meta.url));

let current = 0;
let shown: { picture: Decoded; name: string } | null = null;

function say(text: string, fault = false): void {
  status.textContent = text;
  status.classList.toggle("fault", fault);
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

async function open(file: File): Promise<void> {
  const mine = ++current; // a later file takes over
  const still = (): boolean => mine === current;
  say(`Reading ${file.name} …`);
  shown = null;
  of<HTMLButtonElement>("save").disabled = true;
  try {
    const data = await file.arrayBuffer();
    const picture = await decoder.decode(data, {
      onSize: (width, height) => still() && blank(width, height),
      onFetch: (done, total) => still() && say(`Fetching the decoder, once: ${megabytes(done)} of ${megabytes(total)} MB`),
      onStart: () => still() && say(`Decoding ${file.name} …`),
      onPart: (part) => still() && draw(part),
    });
    if (!still()) return;
    shown = { picture, name: file.name };
    of<HTMLButtonElement>("save").disabled = false;
    const { width, height, codec, milliseconds } = picture;
    status.title = `decoded in ${(milliseconds / 1000).toFixed(2)} s`;
    stage.setAttribute("aria-label", `${file.name}, ${width} by ${height} pixels`);
    stage.dataset["state"] = "done";
    say(`${file.name}: ${width} × ${height}, ${data.byteLength.toLocaleString("en")} bytes, ${codec}`);
  } catch (error) {
    if (!still()) return;
    clear();
    say(`${file.name}: ${(error as Error).message}`, true);
  }
}

function blank(width: number, height: number): void {
  canvas.width = width;
  canvas.height = height;
  stage.dataset["state"] = "decoding";
  stage.dataset["parts"] = "0";
  stage.classList.add("shows");
  canvas.hidden = of("tools").hidden = false;
  of("drop").hidden = true;
  view.fit();
}

function clear(): void {
  stage.classList.remove("shows");
  stage.setAttribute("aria-label", "no picture");
  stage.dataset["state"] = "fault";
  canvas.hidden = of("tools").hidden = true;
  of("drop").hidden = false;
}

function draw({ data, left, top, width, height }: Part): void {
  canvas.getContext("2d")!.putImageData(new ImageData(data, width, height), left, top);
  stage.dataset["parts"] = String(Number(stage.dataset["parts"]) + 1);
}

async function save(): Promise<void> {
  if (!shown) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await toPng(shown.picture));
  link.download = `${shown.name.replace(/\.rgo$/i, "")}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

input.addEventListener("change", () => {
  const [file] = input.files ?? [];
  input.value = ""; // so that the same file can be chosen again
  if (file) void open(file);
});
for (const kind of ["dragover", "dragleave", "drop"] as const) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    stage.classList.toggle("over", kind === "dragover");
    const [file] = kind === "drop" ? (event.dataTransfer?.files ?? []) : [];
    if (file) void open(file);
  });
}
const actions: Record<string, () => void> = {
  open: () => input.click(),
  fit: () => view.fit(),
  out: () => view.by(1 / 1.5),
  in: () => view.by(1.5),
  one: () => view.one(),
  save: () => void save(),
};
for (const [id, act] of Object.entries(actions)) of(id).addEventListener("click", act);
const keys: Record<string, () => void> = {
  "0": () => view.fit(),
  "1": () => view.one(),
  "+": () => view.by(1.5),
  "=": () => view.by(1.5),
  "-": () => view.by(1 / 1.5),
  ArrowLeft: () => view.move(60, 0),
  ArrowRight: () => view.move(-60, 0),
  ArrowUp: () => view.move(0, 60),
  ArrowDown: () => view.move(0, -60),
};
stage.addEventListener("keydown", (event) => {
  const act = keys[event.key];
  if (!act || canvas.hidden || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  act();
});
