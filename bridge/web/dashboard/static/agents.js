// Ask an agent whether it is well.
for (const button of document.querySelectorAll('[data-check]')) {
  button.onclick = async () => {
    const told = button.parentElement.querySelector('[role=status]');
    button.disabled = true;
    told.textContent = 'asking…';
    try {
      const answer = await fetch(`/agents/${encodeURIComponent(button.dataset.check)}/check`, { method: 'POST' });
      const { well, found, detail } = await answer.json();
      told.textContent = found ?? detail;
      told.className = well ? 'good' : 'bad';
    } catch {
      told.textContent = 'The bridge did not answer.';
      told.className = 'bad';
    }
    button.disabled = false;
  };
}
