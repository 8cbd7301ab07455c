/** The page: drop files, see them, zoom, save them as PNG. */

import { type Decoded, Decoder, type Part, toPng } from "../src/index.js";
import { View } from "./view.js";

const of = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const stage = of("stage");
const canvas = of<HTMLCanvasElement>("canvas");
const input = of<HTMLInputElement>("file");
const save = of<HTMLButtonElement>("save");
const status = of("status");
const view = new View(stage, canvas, of<HTMLOutputElement>("zoom"));
const decoder = new Decoder(new URL(".", import.meta.url));

let files: readonly File[] = [];
let place = 0;
let current = new AbortController();
let shown: { picture: Decoded; name: string } | null = null;

function say(text: string, fault = false): void {
  status.textContent = text;
  status.classList.toggle("fault", fault);
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** The bytes of a file; only the first ones if it is none of ours, however large it is. */
async function read(file: File): Promise<ArrayBuffer> {
  try {
    const start = await file.slice(0, 2).arrayBuffer();
    const ours = new DataView(start).byteLength < 2 || new DataView(start).getUint16(0) === 0xd752;
    return await (ours ? file.arrayBuffer() : start);
  } catch {
    throw new Error("it cannot be read; is it a folder, or gone?");
  }
}

async function open(file: File): Promise<void> {
  current.abort(); // a later file takes over
  current = new AbortController();
  const { signal } = current;
  const still = (): boolean => !signal.aborted;
  say(`Reading ${file.name} …`);
  shown = null;
  save.disabled = true;
  let pixels = 0;
  let done = 0;
  try {
    const data = await read(file);
    const picture = await decoder.decode(data, {
      signal,
      onSize: (width, height) => {
        if (!still()) return;
        blank(width, height);
        pixels = width * height;
      },
      onFetch: (had, total) => still() && say(`Fetching the decoder, once: ${megabytes(had)} of ${megabytes(total)} MB`),
      onStart: () => still() && say(`Decoding ${file.name} …`),
      onPart: (part) => {
        if (!still()) return;
        draw(part);
        done += part.width * part.height;
        if (done < pixels) say(`Decoding ${file.name} … ${Math.floor((100 * done) / pixels)} %`);
      },
    });
    shown = { picture, name: file.name };
    save.disabled = false;
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

/** Shows one of the files, by its place among them. */
function show(k: number): void {
  const file = files[k];
  if (!file) return;
  place = k;
  of("several").hidden = files.length < 2;
  of<HTMLOutputElement>("place").value = `${k + 1} of ${files.length}`;
  of<HTMLButtonElement>("before").disabled = k === 0;
  of<HTMLButtonElement>("after").disabled = k === files.length - 1;
  void open(file);
}

function take(chosen: FileList | null | undefined): void {
  if (!chosen?.length) return;
  files = [...chosen];
  show(0);
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
  canvas.width = canvas.height = 0; // frees its memory
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

async function download(): Promise<void> {
  if (!shown) return;
  const { picture, name } = shown;
  save.disabled = true;
  const png = await toPng(picture).catch(() => null);
  save.disabled = shown === null;
  if (!png) return say(`${name}: there is not enough memory for the PNG`, true);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(png);
  link.download = `${name.replace(/\.rgo$/i, "")}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

input.addEventListener("change", () => {
  take(input.files);
  input.value = ""; // so that the same file can be chosen again
});
for (const kind of ["dragover", "dragleave", "drop"] as const) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    stage.classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer?.files);
  });
}
const actions: Record<string, () => void> = {
  open: () => input.click(),
  before: () => show(place - 1),
  after: () => show(place + 1),
  fit: () => view.fit(),
  out: () => view.by(1 / 1.5),
  in: () => view.by(1.5),
  one: () => view.one(),
  save: () => void download(),
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
  PageUp: () => show(place - 1),
  PageDown: () => show(place + 1),
};
stage.addEventListener("keydown", (event) => {
  const act = keys[event.key];
  const steps = event.key.startsWith("Page");
  if (!act || (canvas.hidden && !steps) || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  act();
});
