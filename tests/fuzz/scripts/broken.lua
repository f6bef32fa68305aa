error("refused")
