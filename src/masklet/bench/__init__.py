"""How fast a model tracks on this machine, stage by stage, beside others on the same frames."""
