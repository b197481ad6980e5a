"""Two arms compared: costs at equal loss, losses at equal size, exponents, and what may be concluded; numpy and scipy only."""
