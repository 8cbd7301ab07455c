// Marks what matters on a picture: a rectangle that is dragged, or paint. Gradio calls this once for the component.
// `value` is {url, width, height, mode: "box" | "paint", box: "x, y, width, height" | "", paint: PNG as data URL | ""};
// boxes are in pixels of the whole picture, paint in pixels of the canvas, which has the picture's shape.
const LONGEST = 1024, LEAST = 4;  // pixels of the canvas; pixels of the screen that make a rectangle
const mask = document.createElement('canvas');
let strokes = [], drag = null, shown = '';

const find = (name) => element.querySelector(name);
const clamp = (number, most) => Math.min(Math.max(number, 0), most);
const numbers = () => (props.value?.box.match(/-?\d+/g) || []).map(Number);

function at(event) {  // where a pointer is, 0 to 1 each way, and what a pixel of the screen is there
  const frame = find('.ground').getBoundingClientRect();
  return [clamp((event.clientX - frame.left) / frame.width, 1), clamp((event.clientY - frame.top) / frame.height, 1),
          1 / frame.width, 1 / frame.height];
}

function hatch(context) {  // black beside white beside colour: seen on any ground
  const tile = document.createElement('canvas'), side = Math.max(8, Math.round(12 * mask.width / 400));
  tile.width = tile.height = side;
  const pen = tile.getContext('2d');
  pen.fillStyle = 'rgb(255 45 85 / 45%)';
  pen.fillRect(0, 0, side, side);
  pen.lineWidth = side / 7;
  for (const [colour, shift] of [['#000', 0], ['#fff', side / 6]]) {
    pen.strokeStyle = colour;
    for (const start of [-side, 0, side]) {
      pen.beginPath();
      pen.moveTo(start + shift, side);
      pen.lineTo(start + shift + side, 0);
      pen.stroke();
    }
  }
  return context.createPattern(tile, 'repeat');
}

function drawPaint() {
  const canvas = find('canvas');
  if (!canvas) return;
  const {width, height} = props.value, scale = Math.min(1, LONGEST / Math.max(width, height));
  for (const one of [canvas, mask]) {
    one.width = Math.max(1, Math.round(width * scale));
    one.height = Math.max(1, Math.round(height * scale));
  }
  const pen = mask.getContext('2d');
  pen.lineCap = pen.lineJoin = 'round';
  pen.strokeStyle = '#fff';
  for (const {wide, points} of strokes) {
    pen.lineWidth = wide * mask.width;
    pen.beginPath();
    points.forEach(([x, y], k) => pen[k ? 'lineTo' : 'moveTo'](x * mask.width, y * mask.height));
    if (points.length === 1) pen.lineTo(points[0][0] * mask.width + 0.01, points[0][1] * mask.height);
    pen.stroke();
  }
  const context = canvas.getContext('2d');
  context.drawImage(mask, 0, 0);
  context.globalCompositeOperation = 'source-in';
  context.fillStyle = hatch(context);
  context.fillRect(0, 0, canvas.width, canvas.height);
}

function drawBox() {
  const frame = find('.rectangle'), [x, y, width, height] = numbers();
  if (!frame) return;
  frame.hidden = !(width > 0 && height > 0);
  if (frame.hidden) return;
  const whole = props.value, left = clamp(x, whole.width), top = clamp(y, whole.height);
  frame.style.left = `${100 * left / whole.width}%`;
  frame.style.top = `${100 * top / whole.height}%`;
  frame.style.width = `${100 * (clamp(x + width, whole.width) - left) / whole.width}%`;
  frame.style.height = `${100 * (clamp(y + height, whole.height) - top) / whole.height}%`;
}

function draw() {
  const value = props.value;
  if (!value) return;
  if (value.url !== shown || !value.paint) strokes = [];
  shown = value.url;
  value.mode === 'box' ? drawBox() : drawPaint();
}

function set(change) { props.value = {...props.value, ...change}; }

function setBox(x0, y0, x1, y1) {  // corners, 0 to 1, in any order
  const {width, height} = props.value;
  const left = Math.round(Math.min(x0, x1) * width), top = Math.round(Math.min(y0, y1) * height);
  const right = Math.round(Math.max(x0, x1) * width), bottom = Math.round(Math.max(y0, y1) * height);
  set({box: right > left && bottom > top ? `${left}, ${top}, ${right - left}, ${bottom - top}` : ''});
  drawBox();
}

function grip(x, y, near) {  // what a pointer takes hold of: a corner, the inside, or nothing
  const [left, top, wide, high] = numbers(), {width, height} = props.value;
  if (!(wide > 0)) return null;
  const [x0, y0, x1, y1] = [left / width, top / height, (left + wide) / width, (top + high) / height];
  for (const [cx, cy, ox, oy] of [[x0, y0, x1, y1], [x1, y0, x0, y1], [x0, y1, x1, y0], [x1, y1, x0, y0]])
    if (Math.abs(x - cx) < near[0] && Math.abs(y - cy) < near[1]) return {fixed: [ox, oy]};
  return x > x0 && x < x1 && y > y0 && y < y1 ? {moved: [x0, y0, x1, y1]} : null;
}

element.addEventListener('pointerdown', (event) => {
  if (!event.target.closest('.ground') || event.button || drag) return;
  event.preventDefault();
  find('.ground').setPointerCapture(event.pointerId);
  const [x, y, px, py] = at(event), box = props.value.mode === 'box';
  drag = {x, y, px, py, pointer: event.pointerId, box, before: props.value.box, grip: box && grip(x, y, [16 * px, 16 * py])};
  if (!box) {
    strokes.push({wide: Number(find('[name=brush]').value) * px, points: [[x, y]]});
    drawPaint();
  }
});

element.addEventListener('pointermove', (event) => {
  if (!drag || event.pointerId !== drag.pointer) return;
  const [x, y] = at(event), held = drag.grip;
  if (!drag.box) {
    strokes.at(-1).points.push([x, y]);
    drawPaint();
  } else if (held?.moved) {
    const [x0, y0, x1, y1] = held.moved;
    const dx = Math.min(Math.max(x - drag.x, -x0), 1 - x1), dy = Math.min(Math.max(y - drag.y, -y0), 1 - y1);
    setBox(x0 + dx, y0 + dy, x1 + dx, y1 + dy);
  } else {
    setBox(...(held?.fixed || [drag.x, drag.y]), x, y);
  }
});

function release(event) {
  if (!drag || event.pointerId !== drag.pointer) return;
  const [x, y] = at(event), {box, before, px, py} = drag;
  const small = Math.abs(x - drag.x) < LEAST * px && Math.abs(y - drag.y) < LEAST * py;
  drag = null;
  if (box && small) {  // a click is no rectangle
    set({box: before});
    drawBox();
  } else if (box) {
    trigger('input');
  } else {
    set({paint: mask.toDataURL('image/png')});
  }
}
element.addEventListener('pointerup', release);
element.addEventListener('pointercancel', release);

element.addEventListener('click', (event) => {
  const what = event.target.closest('button')?.name;
  if (!what) return;
  if (props.value.mode === 'box') {
    set({box: ''});
    drawBox();
    trigger('input');
    return;
  }
  strokes = what === 'undo' ? strokes.slice(0, -1) : [];
  drawPaint();
  set({paint: strokes.length ? mask.toDataURL('image/png') : ''});
});

watch('value', draw);
draw();
