// Shows pictures of one size in one place, pixel by pixel, so that differences are seen where they are.
// `value` is {pictures: [{name, url}, ...], width, height}; the first picture is the original.
const EVERY = 400;  // ms between two pictures that flicker
let shown = 0, zoom = 1, timer = null;

const all = (name) => [...element.querySelectorAll(name)];

function show(k) {
  all('.sheet img').forEach((image, one) => image.classList.toggle('on', one === k));
  const here = element.querySelector('.here');
  if (here) here.textContent = props.value.pictures[k]?.name || '';
}

function mark() {
  all('[name=show]').forEach((button) => button.setAttribute('aria-pressed', Number(button.value) === shown));
  all('[name=zoom]').forEach((button) => button.setAttribute('aria-pressed', Number(button.value) === zoom));
  all('[name=flicker]').forEach((button) => button.setAttribute('aria-pressed', timer !== null));
}

function flicker(on) {
  clearInterval(timer);
  timer = null;
  let original = false;
  if (on) timer = setInterval(() => show((original = !original) ? 0 : shown), EVERY);
  show(shown);
}

function enlarge(wanted) {  // what is in the middle stays there
  const pane = element.querySelector('.pane'), sheet = element.querySelector('.sheet');
  if (!pane) return;
  const middle = ['Left', 'Top'].map((side, k) => (pane[`scroll${side}`] + pane[k ? 'clientHeight' : 'clientWidth'] / 2) / zoom);
  zoom = wanted;
  const size = zoom / window.devicePixelRatio;
  sheet.style.width = `${props.value.width * size}px`;
  sheet.style.height = `${props.value.height * size}px`;
  pane.scrollLeft = middle[0] * zoom - pane.clientWidth / 2;
  pane.scrollTop = middle[1] * zoom - pane.clientHeight / 2;
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button?.name === 'show') {
    shown = Number(button.value);
    if (timer === null || shown === 0) flicker(false);
  } else if (button?.name === 'zoom') {
    enlarge(Number(button.value));
  } else if (button?.name === 'flicker') {
    if (shown === 0) shown = 1;
    flicker(timer === null);
  }
  mark();
});

function begin() {
  if (!props.value) return flicker(false);
  shown = 0;
  flicker(false);
  enlarge(zoom);
  mark();
}
watch('value', begin);
begin();
