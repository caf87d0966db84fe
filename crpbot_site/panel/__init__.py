"""The control panel: what people see of the appliance, and the hand on its switch."""
