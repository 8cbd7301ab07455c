/** The picture on its stage: fitted, zoomed and moved. */

const MOST = 32;

export class View {
  private scale = 1;
  private left = 0;
  private top = 0;
  private fitted = true;

  constructor(
    private readonly stage: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly output: HTMLOutputElement,
  ) {
    new ResizeObserver(() => this.fitted && this.fit()).observe(stage);
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.drag(event));
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

  private drag(event: PointerEvent): void {
    if (this.canvas.hidden || event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add("moves");
    const moved = (to: PointerEvent): void => this.move(to.movementX / devicePixelRatio, to.movementY / devicePixelRatio);
    const ended = (): void => {
      this.stage.classList.remove("moves");
      this.stage.removeEventListener("pointermove", moved);
    };
    this.stage.addEventListener("pointermove", moved);
    for (const kind of ["pointerup", "pointercancel"]) this.stage.addEventListener(kind, ended, { once: true });
  }
}
