// The charts of the overview.
import uPlot from './uplot.js';

const colours = getComputedStyle(document.documentElement);
const ink = colours.getPropertyValue('--dim').trim();
const grid = colours.getPropertyValue('--edge').trim();
const main = colours.getPropertyValue('--main').trim();
const danger = colours.getPropertyValue('--danger').trim();
const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid } };
const bars = uPlot.paths.bars({ size: [0.8, 60] });

function chart(id, time, data, series) {
  const place = document.getElementById(id);
  const half = (data[0][1] - data[0][0]) / 2; // of a bar: the first and the last are whole
  const plot = new uPlot({
    width: place.clientWidth,
    height: place.clientHeight - 34,
    legend: { live: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'), // as every time on these pages
    scales: { x: { time, range: (self, low, high) => [low - half, high + half] }, y: { range: (self, low, high) => [0, Math.max(high, 1)] } },
    axes: [{ ...axis, ...(time ? {} : { label: 'ms', labelSize: 16, labelGap: 0, labelFont: '12px system-ui', stroke: ink, size: 34 }) }, { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }],
    series: [{}, ...series.map(([label, colour]) => ({ label, fill: colour, stroke: colour, width: 0, paths: bars, points: { show: false } }))],
    cursor: { drag: { x: false, y: false } },
  }, data, place);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: place.clientHeight - 34 })).observe(place);
}

const answer = await fetch(`/overview.json?span=${document.getElementById('overview').dataset.span}`);
const { hours, calls, failed, ms, answers } = await answer.json();
chart('perhour', true, [hours, calls, failed], [['calls', main], ['failed', danger]]);
chart('answers', false, [ms, answers], [['answers', main]]);
