"""Style and script of the report page."""

STYLE = """
:root { color-scheme: light dark; --line: #8885; --on: #0a63c9; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
figure { margin: 1rem 0; }
figure.plot { background: #fff; } figure.plot svg { width: 100%; height: auto; }
#crop { width: min(100%, 640px); image-rendering: pixelated; display: block; background: #888; }
#takes button { font: inherit; padding: .3rem .8rem; margin: 0 .3rem .3rem 0; border: 1px solid var(--line);
  border-radius: .3rem; background: none; color: inherit; cursor: pointer; }
#takes button[aria-pressed=true] { background: var(--on); border-color: var(--on); color: #fff; }
:focus-visible { outline: 3px solid var(--on); outline-offset: 2px; }
.hint { opacity: .75; font-size: .9rem; margin-left: 1rem; }
"""

SCRIPT = """
(() => {
  const data = document.getElementById('scenes');
  if (!data) return;
  const scenes = JSON.parse(data.textContent);
  const [select, takes, image, figures] = ['scene', 'takes', 'crop', 'figures'].map(id => document.getElementById(id));
  let scene = 0, take = 0, before = null;
  const show = () => {
    const one = scenes[scene].takes[take];
    image.src = one.src;
    image.alt = `${scenes[scene].title}, ${one.label}`;
    figures.textContent = `${one.label}: ${one.figures}`;
    [...takes.children].forEach((button, at) => button.setAttribute('aria-pressed', at === take));
  };
  const choose = to => {
    scene = (to + scenes.length) % scenes.length;
    select.value = scene;
    take = Math.min(take, scenes[scene].takes.length - 1);
    takes.replaceChildren(...scenes[scene].takes.map((one, at) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = one.label;
      button.onclick = () => { take = at; show(); };
      return button;
    }));
    show();
  };
  select.onchange = () => choose(+select.value);
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], jump = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const count = scenes[scene].takes.length, inside = event.target.closest('#flicker');
    if (step && event.target !== select) { take = (take + step + count) % count; show(); event.preventDefault(); }
    if (jump && event.target !== select && inside) { choose(scene + jump); event.preventDefault(); }
    if (event.key === '0' && before === null) { before = take; take = 0; show(); }
  });
  addEventListener('keyup', event => {
    if (event.key === '0' && before !== null) { take = before; before = null; show(); }
  });
  choose(0);
})();
"""
