/** The picture on its stage: fitted, zoomed and moved. */

const MOST = 32;

export class View {
  private scale = 1;
  private left = 0;
  private top = 0;
  private fitted = true;
  private readonly pointers = new Map<number, PointerEvent>();

  constructor(
    private readonly stage: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly output: HTMLOutputElement,
  ) {
    new ResizeObserver(() => this.fitted && this.fit()).observe(stage);
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.press(event));
    stage.addEventListener("pointermove", (event) => this.drag(event));
    for (const kind of ["pointerup", "pointercancel"] as const) stage.addEventListener(kind, (event) => this.release(event));
  }

  get size(): [width: number, height: number] {
    return [this.canvas.width, this.canvas.height];
  }

  /** All of the picture, not larger than it is. */
  fit(): void {
    const [width, height] = this.size;
    this.scale = Math.min(1, this.stage.clientWidth / width, this.stage.clientHeight / height);
    this.fitted = true;
    this.middle();
  }

  /** One pixel of the picture to one of the screen. */
  one(): void {
    this.scale = 1 / devicePixelRatio;
    this.fitted = false;
    this.middle();
  }

  private middle(): void {
    const [width, height] = this.size;
    this.left = (this.stage.clientWidth - width * this.scale) / 2;
    this.top = (this.stage.clientHeight - height * this.scale) / 2;
    this.draw();
  }

  /** Zooms around a place of the stage, by default its middle. */
  by(factor: number, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2): void {
    const least = Math.min(0.05, this.stage.clientWidth / this.size[0] / 2);
    const scale = Math.min(Math.max(this.scale * factor, least), MOST);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  move(x: number, y: number): void {
    this.left += x;
    this.top += y;
    this.fitted = false;
    this.draw();
  }

  private draw(): void {
    const [width, height] = this.size;
    const within = (at: number, size: number, room: number): number => Math.min(Math.max(at, 40 - size), room - 40);
    this.left = within(this.left, width * this.scale, this.stage.clientWidth);
    this.top = within(this.top, height * this.scale, this.stage.clientHeight);
    this.canvas.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
    this.canvas.classList.toggle("sharp", this.scale * devicePixelRatio >= 2);
    this.output.value = `${Math.round(100 * this.scale * devicePixelRatio)} %`;
  }

  private wheel(event: WheelEvent): void {
    if (this.canvas.hidden) return;
    event.preventDefault();
    const box = this.stage.getBoundingClientRect();
    this.by(2 ** (-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }

  private press(event: PointerEvent): void {
    if (this.canvas.hidden || event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add("moves");
    this.pointers.set(event.pointerId, event);
  }

  private release(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size === 0) this.stage.classList.remove("moves");
  }

  /** One pointer moves the picture, two also zoom. */
  private drag(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const [other] = [...this.pointers.values()].filter((one) => one.pointerId !== event.pointerId);
    this.pointers.set(event.pointerId, event);
    const share = other ? 2 : 1; // the middle of two pointers moves half as far
    this.move((event.clientX - before.clientX) / share, (event.clientY - before.clientY) / share);
    if (!other) return;
    const far = (one: PointerEvent): number => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const box = this.stage.getBoundingClientRect();
    const middle = [(event.clientX + other.clientX) / 2 - box.left, (event.clientY + other.clientY) / 2 - box.top] as const;
    this.by(Math.max(far(event), 1) / Math.max(far(before), 1), ...middle);
  }
}
